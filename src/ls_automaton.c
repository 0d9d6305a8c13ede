/*
 * ls_automaton.c: find many byte strings in one pass over a value.
 */
#include "postgres.h"

#include "ls_automaton.h"

#define NO_STATE UINT32_MAX

/* LsTrie: what the table is built from; rows are numbered, not offset. */
typedef struct LsTrie
{
	LsAutomaton *automaton;
	uint32 *child; /* nstates x nclasses, NO_STATE = none */
	uint32 *fail;  /* state -> state of its longest proper suffix */
	uint32 *order; /* states, breadth first */
} LsTrie;

/* assign_classes: bytes that stand in no pattern share column 0. */
static void
assign_classes(LsAutomaton *automaton, const LsPattern *patterns, int n, bool fold)
{
	int nclasses = 1;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < patterns[i].length; j++)
		{
			uint8 byte = (uint8) patterns[i].bytes[j];

			if (automaton->class_of[byte] == 0)
				automaton->class_of[byte] = nclasses++;
		}
	if (fold)
		for (int byte = 'A'; byte <= 'Z'; byte++)
			automaton->class_of[byte] = automaton->class_of[byte - 'A' + 'a'];
	automaton->nclasses = nclasses;
}

static void
add_pattern(LsTrie *trie, const LsPattern *pattern, int number)
{
	LsAutomaton *a = trie->automaton;
	uint32 state = 0;

	for (int j = 0; j < pattern->length; j++)
	{
		int at = a->anchor == LS_AT_END ? pattern->length - 1 - j : j;
		int column = a->class_of[(uint8) pattern->bytes[at]];
		uint32 *child = &trie->child[(size_t) state * a->nclasses + column];

		if (*child == NO_STATE)
			*child = a->nstates++;
		state = *child;
	}
	a->same[number] = a->own_end[state];
	a->own_end[state] = number;
}

/* walk_breadth_first: fill order and fail. */
static void
walk_breadth_first(LsTrie *trie)
{
	LsAutomaton *a = trie->automaton;
	int head = 0;
	int tail = 0;

	trie->order[tail++] = 0;
	trie->fail[0] = 0;
	while (head < tail)
	{
		uint32 state = trie->order[head++];

		for (int column = 1; column < a->nclasses; column++)
		{
			uint32 child = trie->child[(size_t) state * a->nclasses + column];
			uint32 suffix = trie->fail[state];

			if (child == NO_STATE)
				continue;
			while (suffix != 0 &&
				   trie->child[(size_t) suffix * a->nclasses + column] == NO_STATE)
				suffix = trie->fail[suffix];
			suffix = trie->child[(size_t) suffix * a->nclasses + column];
			trie->fail[child] = state == 0 || suffix == NO_STATE ? 0 : suffix;
			trie->order[tail++] = child;
		}
	}
}

/* link_suffixes: where a state's suffixes end patterns of their own. */
static void
link_suffixes(LsTrie *trie)
{
	LsAutomaton *a = trie->automaton;

	a->suffix_end = palloc0(sizeof(uint32) * a->nstates);
	if (a->anchor != LS_ANYWHERE)
		return;
	for (int i = 1; i < a->nstates; i++)
	{
		uint32 state = trie->order[i];
		uint32 suffix = trie->fail[state];

		a->suffix_end[state] = a->own_end[suffix] >= 0 ? suffix : a->suffix_end[suffix];
	}
}

static uint32
table_entry(const LsAutomaton *a, uint32 state)
{
	bool ends = a->own_end[state] >= 0 || a->suffix_end[state] != 0;

	return (state * a->nclasses) | (ends ? LS_FOUND : 0);
}

/*
 * fill_table: every step of every state. Where the trie has no child, the
 * longest suffix decides (anywhere), or the dead state 1 (anchored).
 */
static void
fill_table(LsTrie *trie)
{
	LsAutomaton *a = trie->automaton;

	a->next = palloc0(sizeof(uint32) * a->nstates * a->nclasses);
	for (int i = 0; i < a->nstates; i++)
	{
		uint32 state = trie->order[i];
		uint32 *row = &a->next[(size_t) state * a->nclasses];
		const uint32 *fallback = &a->next[(size_t) trie->fail[state] * a->nclasses];

		for (int column = 0; column < a->nclasses; column++)
		{
			uint32 child = trie->child[(size_t) state * a->nclasses + column];

			if (child != NO_STATE)
				row[column] = table_entry(a, child);
			else if (a->anchor != LS_ANYWHERE)
				row[column] = table_entry(a, 1);
			else
				row[column] = state == 0 ? 0 : fallback[column];
		}
	}
}

static void
init_trie(LsTrie *trie, LsAutomaton *automaton, int max_states, int npatterns)
{
	size_t cells = (size_t) max_states * automaton->nclasses;

	trie->automaton = automaton;
	trie->child = palloc(sizeof(uint32) * cells);
	memset(trie->child, 0xFF, sizeof(uint32) * cells);
	automaton->own_end = palloc(sizeof(int32) * max_states);
	memset(automaton->own_end, 0xFF, sizeof(int32) * max_states);
	automaton->same = palloc(sizeof(int32) * npatterns);
	trie->fail = palloc0(sizeof(uint32) * max_states);
	trie->order = palloc(sizeof(uint32) * max_states);
}

static void
free_trie(LsTrie *trie)
{
	pfree(trie->child);
	pfree(trie->fail);
	pfree(trie->order);
}

/*
 * ls_automaton_build: compile the patterns; the caller splits sets of more than
 * LS_AUTOMATON_MAX_BYTES. With fold_ascii the patterns are in lower case and
 * A-Z of the value are read as a-z.
 *
 * Memory: the current context.
 */
LsAutomaton *
ls_automaton_build(const LsPattern *patterns, int npatterns, LsAnchor anchor, bool fold)
{
	LsAutomaton *automaton = palloc0(sizeof(LsAutomaton));
	LsTrie trie;
	int max_states = 2;

	for (int i = 0; i < npatterns; i++)
		max_states += patterns[i].length;
	assign_classes(automaton, patterns, npatterns, fold);
	automaton->anchor = anchor;
	automaton->nstates = 2;
	init_trie(&trie, automaton, max_states, npatterns);
	for (int i = 0; i < npatterns; i++)
		add_pattern(&trie, &patterns[i], i);
	walk_breadth_first(&trie);
	/* State 1, dead, is nobody's child: it comes last. */
	trie.order[automaton->nstates - 1] = 1;
	link_suffixes(&trie);
	fill_table(&trie);
	for (int byte = 0; byte < 256; byte++)
		automaton->begins[byte] = automaton->next[automaton->class_of[byte]] != 0;
	free_trie(&trie);
	return automaton;
}

static inline void
report(const LsAutomaton *a, uint32 entry, LsFoundCallback found, void *context)
{
	uint32 state = (entry & ~LS_FOUND) / a->nclasses;

	for (; state != 0; state = a->suffix_end[state])
		for (int32 p = a->own_end[state]; p >= 0; p = a->same[p])
			found(context, p);
}

/*
 * scan_anywhere: in the start state, which is where most bytes of most values
 * find it, bytes that begin no pattern are skipped without a step.
 */
static void
scan_anywhere(const LsAutomaton *a,
			  const char *bytes,
			  int length,
			  LsFoundCallback found,
			  void *context)
{
	const uint8 *at = (const uint8 *) bytes;
	const uint8 *end = at + length;
	uint32 entry = 0;

	while (at < end)
	{
		if (entry == 0 && !a->begins[*at])
		{
			at++;
			continue;
		}
		entry = a->next[(entry & ~LS_FOUND) + a->class_of[*at++]];
		if (unlikely(entry & LS_FOUND))
			report(a, entry, found, context);
	}
}

static void
scan_anchored(const LsAutomaton *a,
			  const char *bytes,
			  int length,
			  LsFoundCallback found,
			  void *context)
{
	bool backward = a->anchor == LS_AT_END;
	uint32 dead = a->nclasses;
	uint32 entry = 0;

	for (int i = 0; i < length; i++)
	{
		uint8 byte = (uint8) bytes[backward ? length - 1 - i : i];

		entry = a->next[(entry & ~LS_FOUND) + a->class_of[byte]];
		if (entry == dead)
			return;
		if (unlikely(entry & LS_FOUND) && (a->anchor != LS_WHOLE || i == length - 1))
			report(a, entry, found, context);
	}
}

/*
 * ls_automaton_scan: call `found` for each end of a pattern in the value; a
 * pattern that stands there twice is reported twice.
 */
void
ls_automaton_scan(const LsAutomaton *automaton,
				  const char *bytes,
				  int length,
				  LsFoundCallback found,
				  void *context)
{
	if (automaton->anchor == LS_ANYWHERE)
		scan_anywhere(automaton, bytes, length, found, context);
	else
		scan_anchored(automaton, bytes, length, found, context);
}
