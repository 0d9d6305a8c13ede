/*
 * ls_match_text.c: which LIKE and ILIKE patterns a value matches, in one pass
 * for each kind of anchor.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

typedef struct LsPendingPattern
{
	LsAnchor anchor;
	bool negated;
	LsPattern pattern;
	LsTarget target;
} LsPendingPattern;

/*
 * folds_plainly: is lower() under the collation, on ASCII, just A-Z -> a-z?
 * Not so in Turkish. Then the automaton can fold and lower() be spared.
 */
static bool
folds_plainly(Oid collation)
{
	char ascii[128];
	char *lower;

	for (int i = 1; i < 128; i++)
		ascii[i - 1] = (char) i;
	ascii[127] = '\0';
	lower = str_tolower(ascii, 127, collation);
	for (int i = 1; i < 128; i++)
		if (lower[i - 1] != (char) pg_ascii_tolower((unsigned char) i))
			return false;
	return true;
}

/*
 * ls_text_insert: a PATTERN of at least one byte.
 */
void
ls_text_insert(LsTextIndex **index,
			   const LsPredicate *predicate,
			   const LsTarget *target)
{
	LsPendingPattern pending = {predicate->anchor,
								predicate->negated,
								{predicate->bytes, predicate->length},
								*target};

	if (*index == NULL)
	{
		*index = palloc0(sizeof(LsTextIndex));
		(*index)->ignore_case = predicate->ignore_case;
		(*index)->collation = predicate->collation;
		(*index)->fold_ascii =
			predicate->ignore_case && folds_plainly(predicate->collation);
	}
	(*index)->pending =
		ls_match_note((*index)->pending, &pending, sizeof(pending), target);
}

static int
compare_pending(const ListCell *a, const ListCell *b)
{
	const LsPendingPattern *left = lfirst(a);
	const LsPendingPattern *right = lfirst(b);
	int order = (int) left->anchor - (int) right->anchor;

	if (order == 0)
		order = left->pattern.length - right->pattern.length;
	if (order == 0)
		order = memcmp(left->pattern.bytes, right->pattern.bytes, left->pattern.length);
	return order;
}

static bool
same_pattern(const LsPendingPattern *a, const LsPendingPattern *b)
{
	return a->anchor == b->anchor && a->pattern.length == b->pattern.length &&
		   memcmp(a->pattern.bytes, b->pattern.bytes, a->pattern.length) == 0;
}

/* add_target: what it does when pattern `number` is found, or is not. */
static void
add_target(LsTextIndex *index, int number, const LsPendingPattern *pending)
{
	if (!pending->negated)
	{
		ls_payload_add(&index->payloads[number], &pending->target);
		return;
	}
	index->negated_numbers[index->nnegated] = number;
	ls_payload_add(&index->negated_payloads[index->nnegated++], &pending->target);
}

/* number_patterns: pending rules in order -> distinct patterns with payloads. */
static LsPendingPattern **
number_patterns(LsTextIndex *index)
{
	int room = list_length(index->pending);
	LsPendingPattern **distinct = palloc(sizeof(LsPendingPattern *) * room);
	ListCell *cell;

	list_sort(index->pending, compare_pending);
	index->payloads = palloc0(sizeof(LsPayload) * room);
	index->seen = palloc0(sizeof(uint32) * room);
	index->negated_numbers = palloc0(sizeof(int) * room);
	index->negated_payloads = palloc0(sizeof(LsPayload) * room);
	foreach(cell, index->pending)
	{
		LsPendingPattern *pending = lfirst(cell);

		if (index->npatterns == 0 ||
			!same_pattern(distinct[index->npatterns - 1], pending))
			distinct[index->npatterns++] = pending;
		add_target(index, index->npatterns - 1, pending);
	}
	return distinct;
}

/* take_pass: as many patterns from `from` on as one automaton holds. */
static int
take_pass(LsTextIndex *index, LsPendingPattern **distinct, int from)
{
	LsPattern *patterns = palloc(sizeof(LsPattern) * (index->npatterns - from));
	LsTextPass *pass = &index->passes[index->npasses++];
	int bytes = 0;
	int n = 0;

	while (from + n < index->npatterns &&
		   distinct[from + n]->anchor == distinct[from]->anchor &&
		   (n == 0 ||
			bytes + distinct[from + n]->pattern.length <= LS_AUTOMATON_MAX_BYTES))
	{
		patterns[n] = distinct[from + n]->pattern;
		bytes += patterns[n++].length;
	}
	pass->automaton =
		ls_automaton_build(patterns, n, distinct[from]->anchor, index->fold_ascii);
	pass->numbers = palloc(sizeof(int) * n);
	for (int i = 0; i < n; i++)
		pass->numbers[i] = from + i;
	pfree(patterns);
	return from + n;
}

/*
 * ls_text_finish: all patterns are in; build the automata.
 */
void
ls_text_finish(LsTextIndex *index)
{
	LsPendingPattern **distinct = number_patterns(index);

	index->passes = palloc(sizeof(LsTextPass) * index->npatterns);
	for (int from = 0; from < index->npatterns;)
	{
		CHECK_FOR_INTERRUPTS();
		from = take_pass(index, distinct, from);
	}
	pfree(distinct);
	index->pending = NIL;
}

/* LsScan: what the callback of a scan needs. */
typedef struct LsScan
{
	LsTextIndex *index;
	const int *numbers;
	uint32 row_number;
	void (*apply)(void *context, const LsPayload *payload);
	void *context;
} LsScan;

static void
note_found(void *context, int pattern)
{
	LsScan *scan = context;
	int number = scan->numbers[pattern];

	if (scan->index->seen[number] == scan->row_number)
		return;
	scan->index->seen[number] = scan->row_number;
	scan->apply(scan->context, &scan->index->payloads[number]);
}

static bool
is_ascii(const char *bytes, int length)
{
	uint64 bits = 0;
	int i = 0;

	for (; i + 8 <= length; i += 8)
	{
		uint64 word;

		memcpy(&word, bytes + i, 8);
		bits |= word;
	}
	for (; i < length; i++)
		bits |= (uint64) (uint8) bytes[i] << 56;
	return (bits & UINT64_C(0x8080808080808080)) == 0;
}

/*
 * ls_text_scan: apply the payload of each pattern that the value matches, and
 * of each negated one that it does not. ILIKE compares what lower() gives, as
 * PostgreSQL's own does; on ASCII the automaton folds by itself.
 *
 * Memory: may use the current context.
 */
void
ls_text_scan(LsTextIndex *index,
			 uint32 row_number,
			 const char *bytes,
			 int length,
			 void (*apply)(void *context, const LsPayload *payload),
			 void *context)
{
	LsScan scan = {index, NULL, row_number, apply, context};

	if (index->ignore_case && !(index->fold_ascii && is_ascii(bytes, length)))
	{
		bytes = str_tolower(bytes, length, index->collation);
		length = strlen(bytes);
	}
	for (int i = 0; i < index->npasses; i++)
	{
		scan.numbers = index->passes[i].numbers;
		ls_automaton_scan(index->passes[i].automaton, bytes, length, note_found, &scan);
	}
	for (int i = 0; i < index->nnegated; i++)
		if (index->seen[index->negated_numbers[i]] != row_number)
			apply(context, &index->negated_payloads[i]);
}
