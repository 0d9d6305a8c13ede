/*
 * ls_match_eval.c: one row against a compiled matcher.
 *
 * The hot path: nothing is allocated here but what detoasting, lower() and the
 * executor need, and that is released with the next row.
 */
#include "ls_match_set.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

static void
count_rule(LsMatcher *m, int rule, int slot, double points)
{
	if (m->mode == LS_MATCH_SUM)
		m->sums[slot] += points;
	else
		m->hits[m->nhits++] = rule;
}

/* LsSecurity: what was before begin_code. */
typedef struct LsSecurity
{
	Oid user;
	int context;
} LsSecurity;

/*
 * begin_code: as the owner of the contacts, restricted: should a condition come
 * upon somebody's code after all (a domain's check, deep in a trusted function),
 * it gains nothing from who happens to ask.
 */
static void
begin_code(LsMatcher *m, LsSecurity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(m->owner,
						   before->context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	m->place.name = NULL;
	ls_error_push_place(&m->place);
}

static void
end_code(LsMatcher *m, const LsSecurity *before)
{
	ls_error_pop_place(&m->place);
	SetUserIdAndSecContext(before->user, before->context);
}

static bool
ask_executor(LsMatcher *m, const LsGuarded *guarded)
{
	bool is_null;
	Datum value;

	m->place.name = guarded->name;
	m->used_memory = true;
	value = ExecEvalExprSwitchContext(guarded->state, m->context, &is_null);
	m->place.name = NULL;
	return !is_null && DatumGetBool(value);
}

/* is_true: where a row runs no code else, it begins here. */
static bool
is_true(LsMatcher *m, const LsGuarded *guarded)
{
	LsSecurity before;
	bool holds;

	if (likely(ls_match_run_tests(m, guarded, &holds)))
		return holds;
	if (m->runs_code)
		return ask_executor(m, guarded);
	begin_code(m, &before);
	holds = ask_executor(m, guarded);
	end_code(m, &before);
	return holds;
}

/* decide: once a row. */
static void
decide(LsMatcher *m, int number)
{
	LsGuarded *guarded = &m->guarded[number];

	if (guarded->seen == m->row_number)
		return;
	guarded->seen = m->row_number;
	if (is_true(m, guarded))
		count_rule(m, guarded->rule, guarded->slot, guarded->points);
}

static void
apply_more(LsMatcher *m, const LsMore *more)
{
	for (int i = 0; i < more->nadds; i++)
		m->sums[more->adds[i].slot] += more->adds[i].points;
	for (int i = 0; i < more->nhits; i++)
		m->hits[m->nhits++] = more->hits[i];
	for (int i = 0; i < more->nguarded; i++)
		decide(m, more->guarded[i]);
}

static inline void
apply(LsMatcher *m, const LsPayload *payload)
{
	m->sums[0] += payload->points;
	if (payload->more != NULL)
		apply_more(m, payload->more);
}

static void
apply_found(void *context, const LsPayload *payload)
{
	apply(context, payload);
}

static inline void
apply_range(LsMatcher *m, const LsRangeIndex *index, Datum key)
{
	int slot = ls_range_find(index, key);

	m->sums[0] += index->points[slot];
	if (index->has_more)
		for (int node = slot + index->nslots; node > 0; node /= 2)
			if (index->nodes[node].more != NULL)
				apply_more(m, index->nodes[node].more);
}

/* apply_set: of what is at hand as it is. */
static inline void
apply_set(LsMatcher *m, const LsSubject *subject, const struct varlena *text)
{
	apply(m, ls_set_find(subject->set, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)));
}

static void
apply_bytes(LsMatcher *m, LsSubject *subject, Datum value)
{
	const char *bytes;
	int length;

	if (subject->type == UUIDOID)
	{
		bytes = (const char *) DatumGetUUIDP(value)->data;
		length = UUID_LEN;
	}
	else
	{
		struct varlena *packed = (struct varlena *) DatumGetPointer(value);

		if (VARATT_IS_COMPRESSED(packed) || VARATT_IS_EXTERNAL(packed))
		{
			MemoryContext old =
				MemoryContextSwitchTo(m->context->ecxt_per_tuple_memory);

			m->used_memory = true;
			packed = pg_detoast_datum_packed(packed);
			MemoryContextSwitchTo(old);
		}
		bytes = VARDATA_ANY(packed);
		length = VARSIZE_ANY_EXHDR(packed);
	}
	if (subject->set != NULL)
		apply(m, ls_set_find(subject->set, bytes, length));
	for (int i = 0; i < 2; i++)
		if (subject->texts[i] != NULL)
		{
			MemoryContext old =
				MemoryContextSwitchTo(m->context->ecxt_per_tuple_memory);

			m->used_memory |= i == 1;
			ls_text_scan(subject->texts[i],
						 m->row_number,
						 bytes,
						 length,
						 apply_found,
						 m);
			MemoryContextSwitchTo(old);
		}
}

/* match_set: a plain column of texts, some of which rules name. */
static inline void
match_set(LsMatcher *m, LsSubject *subject)
{
	Datum value = m->hand.values[subject->column];

	if (m->hand.nulls[subject->column])
	{
		apply(m, &subject->if_null);
		return;
	}
	apply(m, &subject->if_not_null);
	if (unlikely(VARATT_IS_COMPRESSED(DatumGetPointer(value)) ||
				 VARATT_IS_EXTERNAL(DatumGetPointer(value))))
		apply_bytes(m, subject, value);
	else
		apply_set(m, subject, (struct varlena *) DatumGetPointer(value));
}

static void
match_subject(LsMatcher *m, LsSubject *subject)
{
	Datum value;
	bool is_null;

	if (subject->column >= 0)
	{
		value = m->row->tts_values[subject->column];
		is_null = m->row->tts_isnull[subject->column];
	}
	else
	{
		m->used_memory = true;
		value = ExecEvalExprSwitchContext(subject->state, m->context, &is_null);
	}
	if (is_null)
	{
		apply(m, &subject->if_null);
		return;
	}
	apply(m, &subject->if_not_null);
	if (subject->ints != NULL)
		apply_range(m,
					subject->ints,
					Int64GetDatum(ls_match_int_key(subject->type, value)));
	if (subject->ordered != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(m->context->ecxt_per_tuple_memory);

		m->used_memory = true;
		apply_range(m, subject->ordered, value);
		MemoryContextSwitchTo(old);
	}
	if (subject->set != NULL || subject->texts[0] != NULL || subject->texts[1] != NULL)
		apply_bytes(m, subject, value);
}

/* set_as_of: compute what follows from the moment alone, once. */
static void
set_as_of(LsMatcher *m, TimestampTz as_of)
{
	m->has_as_of = false;
	m->params->params[0].value = TimestampTzGetDatum(as_of);
	m->params->params[0].isnull = false;
	for (int i = 0; i < m->nmoments; i++)
	{
		ParamExternData *param = &m->params->params[LS_COND_AS_OF + i];
		MemoryContext old;
		int16 typlen;
		bool typbyval;
		bool is_null;
		Datum value = ExecEvalExprSwitchContext(m->moments[i], m->context, &is_null);

		get_typlenbyval(param->ptype, &typlen, &typbyval);
		if (!param->isnull && !typbyval)
			pfree(DatumGetPointer(param->value));
		param->isnull = true;
		old = MemoryContextSwitchTo(GetMemoryChunkContext(m));
		param->value = is_null ? (Datum) 0 : datumCopy(value, typbyval, typlen);
		param->isnull = is_null;
		MemoryContextSwitchTo(old);
	}
	m->used_memory = true;
	m->as_of = as_of;
	m->has_as_of = true;
}

/* start_marks: after 2^32 rows, anew. */
static void
start_marks(LsMatcher *m)
{
	for (int i = 0; i < m->nguarded; i++)
		m->guarded[i].seen = 0;
	for (int i = 0; i < m->nsubjects; i++)
		for (int j = 0; j < 2; j++)
			if (m->subjects[i].texts[j] != NULL)
				memset(m->subjects[i].texts[j]->seen,
					   0,
					   sizeof(uint32) * m->subjects[i].texts[j]->npatterns);
	m->row_number = 1;
}

static void
free_row(LsMatcher *m)
{
	ResetExprContext(m->context);
	m->used_memory = false;
}

/* begin_row: forget the last one. */
static inline void
begin_row(LsMatcher *m, TimestampTz as_of)
{
	if (m->used_memory)
		free_row(m);
	if (unlikely(!m->has_as_of || m->as_of != as_of))
		set_as_of(m, as_of);
	if (unlikely(++m->row_number == 0))
		start_marks(m);
	if (m->mode == LS_MATCH_SUM)
		memset(m->sums, 0, sizeof(double) * m->nslots);
	m->nhits = 0;
}

static inline void
match_row(LsMatcher *m, TimestampTz as_of)
{
	LsSecurity before;

	if (m->runs_code)
		begin_code(m, &before);
	begin_row(m, as_of);
	apply(m, &m->always);
	for (int i = 0; i < m->nsubjects; i++)
	{
		LsSubject *subject = &m->subjects[i];

		if (subject->is_set_of_texts)
			match_set(m, subject);
		else
			match_subject(m, subject);
	}
	for (int i = 0; i < m->nevery; i++)
		decide(m, m->every[i]);
	if (m->runs_code)
		end_code(m, &before);
}

/*
 * ls_match_sums: the sums by slot for the row loaded last; valid until the next
 * call.
 *
 * Errors: what a condition raises, with the rule's name.
 */
const double *
ls_match_sums(LsMatcher *matcher, TimestampTz as_of)
{
	match_row(matcher, as_of);
	return matcher->sums;
}

/*
 * ls_match_list: how many rules match the row loaded last, and their numbers in
 * no order; valid until the next call.
 */
int
ls_match_list(LsMatcher *matcher, TimestampTz as_of, const int **numbers)
{
	match_row(matcher, as_of);
	*numbers = matcher->hits;
	return matcher->nhits;
}

/*
 * ls_match_begin_values: forget the last row, and the values made of it: for those
 * who want values of the next row (ls_match_value) and match nothing.
 */
void
ls_match_begin_values(LsMatcher *matcher, TimestampTz as_of)
{
	LsSecurity before;

	begin_code(matcher, &before);
	begin_row(matcher, as_of);
	end_code(matcher, &before);
}

/*
 * ls_match_may_raise: can matching a row, or the value of an expression, end in an
 * error? What indexes decide alone cannot, nor can plain columns.
 */
bool
ls_match_may_raise(const LsMatcher *matcher)
{
	for (int i = 0; i < matcher->noutputs; i++)
		if (matcher->outputs[i].column < 0)
			return true;
	for (int i = 0; i < matcher->nguarded; i++)
		if (matcher->guarded[i].ntests == 0)
			return true;
	return matcher->nmoments > 0;
}
