/*
 * ls_automaton.c: find many byte strings in one pass over a value.
 */
#include "postgres.h"

#include "ls_automaton.h"

#define NO_OWNER UINT32_MAX

/* LsNode: a state while the trie is built; 0 is the start. */
typedef struct LsNode
{
	int32 child;   /* first of them, 0 = none */
	int32 sibling; /* next one, 0 = none */
	int32 fail;	   /* longest proper suffix that is a node */
	int32 found;   /* a pattern that ends here, -1 = none */
	uint32 row;	   /* place in cells */
	int column;	   /* by which the parent comes here */
} LsNode;

/* LsTrie: what the cells are built from. Until the end their targets are nodes. */
typedef struct LsTrie
{
	LsAutomaton *automaton;
	LsNode *nodes;
	int32 *order; /* breadth first */
	int nnodes;
	uint32 room;   /* in cells */
	uint32 used;   /* all rows and cells are below */
	uint32 from;   /* where to look for a row's place */
	uint32 nstart; /* entries of `start` */
	bool *taken;   /* is there a row at this place? */
	int32 *row;	   /* the row at hand by column, 0 = no cell */
} LsTrie;

/* assign_columns: bytes that stand in no pattern share column 0. */
static void
assign_columns(LsAutomaton *automaton, const LsPattern *patterns, int n, bool fold)
{
	int next = LS_END_COLUMN + 1;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < patterns[i].length; j++)
		{
			uint8 byte = (uint8) patterns[i].bytes[j];

			if (automaton->column_of[byte] == LS_NO_COLUMN)
				automaton->column_of[byte] = next++;
		}
	if (fold)
		for (int byte = 'A'; byte <= 'Z'; byte++)
			automaton->column_of[byte] = automaton->column_of[byte - 'A' + 'a'];
	automaton->ncolumns = next;
}

static int32
find_or_add_child(LsTrie *trie, int32 parent, int column)
{
	int32 child = trie->nodes[parent].child;

	while (child != 0 && trie->nodes[child].column != column)
		child = trie->nodes[child].sibling;
	if (child == 0)
	{
		child = trie->nnodes++;
		trie->nodes[child] = (LsNode){.sibling = trie->nodes[parent].child,
									  .found = -1,
									  .column = column};
		trie->nodes[parent].child = child;
	}
	return child;
}

static void
add_pattern(LsTrie *trie, const LsPattern *pattern, int number)
{
	LsAutomaton *a = trie->automaton;
	int32 node = 0;

	for (int j = 0; j < pattern->length; j++)
	{
		int at = a->anchor == LS_AT_END ? pattern->length - 1 - j : j;

		node = find_or_add_child(trie, node, a->column_of[(uint8) pattern->bytes[at]]);
	}
	a->next_found[number] = trie->nodes[node].found;
	trie->nodes[node].found = number;
}

/* ---- rows and their places -------------------------------------------- */

/* fill_start: the rows of the start and of its children. */
static void
fill_start(LsTrie *trie)
{
	LsAutomaton *a = trie->automaton;
	const LsNode *nodes = trie->nodes;
	uint32 place = a->ncolumns;

	trie->nstart = a->ncolumns;
	for (int32 child = nodes[0].child; child != 0; child = nodes[child].sibling)
		trie->nstart += a->ncolumns;
	a->start = palloc0(sizeof(uint32) * trie->nstart);
	a->start_row = palloc0(sizeof(uint32) * a->ncolumns);
	for (int32 child = nodes[0].child; child != 0; child = nodes[child].sibling)
		a->start[nodes[child].column] = child;
	for (int32 child = nodes[0].child; child != 0; child = nodes[child].sibling)
	{
		uint32 *row = &a->start[place];

		memcpy(row, a->start, sizeof(uint32) * a->ncolumns);
		for (int32 next = nodes[child].child; next != 0; next = nodes[next].sibling)
			row[nodes[next].column] = next;
		a->start_row[nodes[child].column] = place;
		place += a->ncolumns;
	}
}

/* is_in_start: is all that follows on the node in `start`? */
static bool
is_in_start(const LsTrie *trie, int32 number)
{
	const LsAutomaton *a = trie->automaton;

	return a->anchor == LS_ANYWHERE &&
		   (number == 0 || a->start[trie->nodes[number].column] == number);
}

/* collect_row: where the node goes otherwise than `start` says. */
static void
collect_row(LsTrie *trie, int32 number)
{
	LsAutomaton *a = trie->automaton;
	const LsNode *node = &trie->nodes[number];
	uint32 suffix = trie->nodes[node->fail].row;

	memset(trie->row, 0, sizeof(int32) * a->ncolumns);
	if (node->found >= 0)
		trie->row[LS_END_COLUMN] = node->found + 1;
	if (is_in_start(trie, number))
		return;
	if (node->fail != 0)
		for (int i = LS_END_COLUMN + 1; i < a->ncolumns; i++)
			if (a->cells[suffix + i].owner == suffix)
				trie->row[i] = a->cells[suffix + i].target;
	for (int32 child = node->child; child != 0; child = trie->nodes[child].sibling)
		trie->row[trie->nodes[child].column] = child;
}

static void
make_room(LsTrie *trie, uint32 room)
{
	LsAutomaton *a = trie->automaton;
	uint32 old = trie->room;

	if (room <= old)
		return;
	trie->room = Max(room, 2 * old);
	a->cells = old == 0 ? palloc(sizeof(LsCell) * trie->room)
						: repalloc(a->cells, sizeof(LsCell) * trie->room);
	trie->taken = old == 0 ? palloc(trie->room) : repalloc(trie->taken, trie->room);
	for (uint32 i = old; i < trie->room; i++)
		a->cells[i] = (LsCell){NO_OWNER, 0};
	memset(trie->taken + old, 0, trie->room - old);
}

static bool
fits(const LsTrie *trie, uint32 place)
{
	const LsAutomaton *a = trie->automaton;

	if (trie->taken[place])
		return false;
	for (int i = LS_END_COLUMN; i < a->ncolumns; i++)
		if (trie->row[i] != 0 && a->cells[place + i].owner != NO_OWNER)
			return false;
	return true;
}

/*
 * place_row: the first place that does, within a window that moves on: what
 * gaps are left behind it are lost, but the search stays short.
 */
static void
place_row(LsTrie *trie, int32 number)
{
	LsAutomaton *a = trie->automaton;
	uint32 place = trie->from;

	make_room(trie, place + a->ncolumns);
	while (!fits(trie, place))
		make_room(trie, ++place + a->ncolumns);
	if (place > trie->from + 256)
		trie->from = place - 128;
	trie->taken[place] = true;
	trie->nodes[number].row = place;
	for (int i = LS_END_COLUMN; i < a->ncolumns; i++)
		if (trie->row[i] != 0)
			a->cells[place + i] = (LsCell){place, trie->row[i]};
	trie->used = Max(trie->used, place + a->ncolumns);
}

/* step: from a node whose row has its place. */
static int32
step(const LsTrie *trie, int32 number, int column)
{
	const LsAutomaton *a = trie->automaton;
	const LsNode *node = &trie->nodes[number];
	const LsCell *cell = &a->cells[node->row + column];

	if (cell->owner == node->row)
		return cell->target;
	return a->start[(number == 0 ? 0 : a->start_row[node->column]) + column];
}

/* link_child: its longest suffix, and the patterns that end there, too. */
static void
link_child(LsTrie *trie, int32 parent, int32 number)
{
	LsAutomaton *a = trie->automaton;
	LsNode *child = &trie->nodes[number];
	int32 last = child->found;

	if (a->anchor != LS_ANYWHERE)
		return;
	if (parent != 0)
		child->fail = step(trie, trie->nodes[parent].fail, child->column);
	if (last < 0)
	{
		child->found = trie->nodes[child->fail].found;
		return;
	}
	while (a->next_found[last] >= 0)
		last = a->next_found[last];
	a->next_found[last] = trie->nodes[child->fail].found;
}

/* lay_out: rows of suffixes come first, as they are shorter. */
static void
lay_out(LsTrie *trie)
{
	int tail = 1;

	trie->order[0] = 0;
	for (int head = 0; head < tail; head++)
	{
		int32 number = trie->order[head];

		collect_row(trie, number);
		place_row(trie, number);
		for (int32 child = trie->nodes[number].child; child != 0;
			 child = trie->nodes[child].sibling)
		{
			link_child(trie, number, child);
			trie->order[tail++] = child;
		}
	}
}

static uint32
state_of(const LsTrie *trie, int32 number)
{
	const LsNode *node = &trie->nodes[number];

	return node->row | (node->found >= 0 ? LS_FOUND : 0);
}

/* resolve: nodes -> states, now that all rows have their places. */
static void
resolve(LsTrie *trie)
{
	LsAutomaton *a = trie->automaton;

	for (uint32 i = 0; i < trie->used; i++)
	{
		LsCell *cell = &a->cells[i];

		if (cell->owner == NO_OWNER)
			continue;
		if (i - cell->owner == LS_END_COLUMN)
			cell->target--;
		else
			cell->target = state_of(trie, cell->target);
	}
	for (uint32 i = 0; i < trie->nstart; i++)
		if (a->start[i] != 0)
			a->start[i] = state_of(trie, a->start[i]);
	a->cells = repalloc(a->cells, sizeof(LsCell) * trie->used);
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
	LsTrie trie = {.automaton = automaton, .nnodes = 1};
	int max_nodes = 1;

	for (int i = 0; i < npatterns; i++)
		max_nodes += patterns[i].length;
	automaton->anchor = anchor;
	assign_columns(automaton, patterns, npatterns, fold);
	automaton->next_found = palloc(sizeof(int32) * npatterns);
	trie.nodes = palloc(sizeof(LsNode) * max_nodes);
	trie.nodes[0] = (LsNode){.found = -1};
	trie.order = palloc(sizeof(int32) * max_nodes);
	trie.row = palloc(sizeof(int32) * automaton->ncolumns);
	for (int i = 0; i < npatterns; i++)
		add_pattern(&trie, &patterns[i], i);
	if (anchor == LS_ANYWHERE)
		fill_start(&trie);
	lay_out(&trie);
	resolve(&trie);
	pfree(trie.nodes);
	pfree(trie.order);
	pfree(trie.row);
	pfree(trie.taken);
	return automaton;
}

/* ---- scanning ----------------------------------------------------------- */

static inline void
report(const LsAutomaton *a, uint32 state, LsFoundCallback found, void *context)
{
	int32 pattern = (int32) a->cells[state + LS_END_COLUMN].target;

	for (; pattern >= 0; pattern = a->next_found[pattern])
		found(context, pattern);
}

static void
scan_anywhere(const LsAutomaton *a,
			  const char *bytes,
			  int length,
			  LsFoundCallback found,
			  void *context)
{
	uint32 state = 0;
	uint32 row = 0;

	for (int i = 0; i < length; i++)
	{
		int column = a->column_of[(uint8) bytes[i]];
		const LsCell *cell = &a->cells[state + column];
		uint32 target = cell->owner == state ? cell->target : a->start[row + column];

		row = a->start_row[column];
		state = target & ~LS_FOUND;
		if (unlikely(target & LS_FOUND))
			report(a, state, found, context);
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
	uint32 state = 0;

	for (int i = 0; i < length; i++)
	{
		uint8 byte = (uint8) bytes[backward ? length - 1 - i : i];
		const LsCell *cell = &a->cells[state + a->column_of[byte]];

		if (cell->owner != state)
			return;
		state = cell->target & ~LS_FOUND;
		if ((cell->target & LS_FOUND) && (a->anchor != LS_WHOLE || i == length - 1))
			report(a, state, found, context);
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
