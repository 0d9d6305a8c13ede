/*
 * ls_automaton.h: find many byte strings in one pass over a value.
 *
 * Source: Aho and Corasick, "Efficient string matching: an aid to
 * bibliographic search", CACM 18(6), 1975; the rows of its table laid over one
 * another as Tarjan and Yao do, "Storing a sparse table", CACM 22(11), 1979.
 */
#ifndef LS_AUTOMATON_H
#define LS_AUTOMATON_H

#include "c.h"

/* Where in the value a pattern may stand. */
typedef enum LsAnchor
{
	LS_ANYWHERE,
	LS_AT_START,
	LS_AT_END,
	LS_WHOLE
} LsAnchor;

typedef struct LsPattern
{
	const char *bytes;
	int length; /* at least 1 */
} LsPattern;

/* LsCell: where a state goes; it is `owner`'s, or another state's. */
typedef struct LsCell
{
	uint32 owner;
	uint32 target; /* with LS_FOUND where the target ends patterns */
} LsCell;

/*
 * LsAutomaton: a state is the place of its row in `cells`; rows share the gaps
 * of one another. Most steps follow from the last two bytes alone: for each byte
 * that begins a pattern, and for all others together, `start` has a row of its
 * own, and `cells` only what is different there. The anchored kinds have no such
 * rows: where there is no cell, they die.
 */
typedef struct LsAutomaton
{
	LsAnchor anchor;
	int ncolumns;
	uint16 column_of[256]; /* byte -> column, LS_NO_COLUMN = in no pattern */
	uint32 *start;
	uint32 *start_row; /* column of the byte before -> place of its row in `start` */
	LsCell *cells;
	int32 *next_found; /* pattern -> next that ends in the same place, -1 = none */
} LsAutomaton;

#define LS_FOUND UINT32_C(0x80000000)
/* Column 0 is that of bytes in no pattern; 1 has a pattern that ends here. */
#define LS_NO_COLUMN 0
#define LS_END_COLUMN 1
/* Patterns of one automaton, in bytes: bounds the time that building it takes. */
#define LS_AUTOMATON_MAX_BYTES 32768

typedef void (*LsFoundCallback)(void *context, int pattern);

extern LsAutomaton *ls_automaton_build(const LsPattern *patterns,
									   int npatterns,
									   LsAnchor anchor,
									   bool fold_ascii);
extern void ls_automaton_scan(const LsAutomaton *automaton,
							  const char *bytes,
							  int length,
							  LsFoundCallback found,
							  void *context);

#endif /* LS_AUTOMATON_H */
