/*
 * ls_live_anew.c: the scores of a contact from its row and its events, where the
 * stored ones are not right.
 */
#include "ls_live.h"

#include "ls_apply.h"
#include "ls_attempt.h"
#include "ls_compat.h"
#include "ls_fit.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* LsAnew: one contact. */
typedef struct LsAnew
{
	LsLiveCall *call;
	LsLive *live;
	HeapTupleHeader contact; /* NULL = to be read */
	Datum key;
	const LsState *state; /* NULL = from its events */
	TimestampTz as_of;
	const HeapTuple *rows;
	TimestampTz since;
} LsAnew;

/* map_rows: how the matchers read rows of a reader. */
static void
map_rows(LsLiveCall *call, LsContactReader *reader)
{
	LsModel *model = call->model;

	call->reader = reader;
	call->fit = ls_contact_map(reader, model->fit);
	call->population =
		model->population == NULL ? NULL : ls_contact_map(reader, model->population);
}

/* take_rows: of the contact that was given. */
static void
take_rows(LsAnew *anew)
{
	LsLiveCall *call = anew->call;

	if (call->reader == NULL || !ls_contact_takes(call->reader, anew->contact))
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		map_rows(call,
				 ls_contact_reader(call->model,
								   anew->contact,
								   call->model->fit,
								   call->model->population));
		MemoryContextSwitchTo(old);
	}
	anew->rows = ls_contact_read(call->reader, anew->contact);
	if (anew->rows != NULL)
		anew->since =
			ls_apply_since(call->model, call->reader->descs[0], anew->rows[0]);
}

/* read_rows: of the contact with that key. False where there is none. */
static bool
read_rows(LsAnew *anew)
{
	LsLiveCall *call = anew->call;

	if (!ls_dossier_find(call->dossier, anew->key))
		return false;
	if (call->fit == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		map_rows(call, call->dossier->reader);
		MemoryContextSwitchTo(old);
	}
	anew->rows = call->dossier->rows;
	anew->since = call->dossier->since;
	return true;
}

static void
refuse_change(const LsModel *model)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("model \"%s\" changed while contacts were read", model->row->name),
			errhint("Ask again."));
}

static void
read_state(LsAnew *anew, TimestampTz reset_at)
{
	LsLiveCall *call = anew->call;

	if (!ls_model_has_behaviour(call->model))
		return;
	if (anew->state == NULL)
		anew->state = ls_dossier_state(call->dossier, anew->key, anew->as_of, reset_at);
	ls_live_read(call, anew->live, anew->state, anew->as_of, anew->since);
}

static void
score(void *arg)
{
	LsAnew *anew = arg;
	LsLiveCall *call = anew->call;
	LsByHand by_hand = {.reset_at = DT_NOBEGIN};

	if (!ls_fit_in_population(call->model, call->population, anew->rows, anew->as_of))
		return;
	if (ls_live_is_in(&call->adjustments, call->key_type, anew->key))
		by_hand =
			ls_dossier_by_hand(ls_dossier_said(call->dossier, anew->key), anew->as_of);
	if (by_hand.is_excluded)
		return;
	anew->live->by_hand = by_hand.points;
	anew->live->fit = ls_fit_score(call->model, call->fit, anew->rows, anew->as_of);
	read_state(anew, by_hand.reset_at);
	ls_live_label(call->model, anew->live);
	anew->live->is_shown = true;
}

/* is_about_data: did a condition fail on this contact? Other errors are nobody's. */
static bool
is_about_data(const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category != MAKE_SQLSTATE('4', '2', '0', '0', '0') &&
		   category != MAKE_SQLSTATE('5', '5', '0', '0', '0');
}

/*
 * score_guarded: a condition that fails becomes a problem. A parallel query cannot
 * start a subtransaction: there it raises.
 */
static void
score_guarded(LsAnew *anew)
{
	const LsModel *model = anew->call->model;
	ErrorData *error;

	if (IsInParallelMode() ||
		(!ls_fit_may_raise(model) && !ls_model_has_behaviour(model)))
	{
		score(anew);
		return;
	}
	if (ls_attempt(score, anew, &error))
		return;
	if (!is_about_data(error))
		ReThrowError(error);
	anew->live->is_shown = true;
	anew->live->is_scored = false;
	anew->live->problem = ls_fit_describe(error);
}

/*
 * ls_live_dossier: of another contact than before.
 */
LsDossier *
ls_live_dossier(LsLiveCall *call)
{
	if (call->dossier == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		call->dossier = ls_dossier_open(call->model);
		MemoryContextSwitchTo(old);
	}
	ls_dossier_next(call->dossier);
	return call->dossier;
}

/*
 * ls_live_anew: the scores of the contact whose row this is, or that has this key
 * (NULL). A state, if there is one, is that of its events. Who is not scored is not
 * shown; where a condition fails there is a problem.
 *
 * Errors: 42501; 55000 where the model changes meanwhile.
 */
void
ls_live_anew(LsLiveCall *call,
			 LsLive *live,
			 HeapTupleHeader contact,
			 Datum key,
			 const LsState *state,
			 TimestampTz as_of)
{
	LsAnew anew = {call, live, contact, key, state, as_of, NULL, DT_NOBEGIN};

	(void) ls_live_dossier(call);
	live->is_shown = false;
	if (contact != NULL)
		take_rows(&anew);
	else if (!read_rows(&anew))
		return;
	if (anew.rows == NULL)
		refuse_change(call->model);
	score_guarded(&anew);
}
