/*
 * ls_automaton.h: find many byte strings in one pass over a value.
 *
 * Source: Aho and Corasick, "Efficient string matching: an aid to
 * bibliographic search", CACM 18(6), 1975; compiled to a full table.
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

/*
 * LsAutomaton: a state is the offset of its row in `next`; LS_FOUND in an
 * entry says that the state reached ends patterns. Row 0 is the start; row 1
 * of the anchored kinds is the dead state.
 */
typedef struct LsAutomaton
{
	LsAnchor anchor;
	int nclasses;
	int nstates;
	uint8 class_of[256]; /* byte -> column; 0 = in no pattern */
	bool begins[256];	 /* byte -> does a pattern begin with it? */
	uint32 *next;
	int32 *own_end;		/* state -> a pattern that ends there, -1 = none */
	int32 *same;		/* pattern -> next that ends in the same state, -1 = none */
	uint32 *suffix_end; /* state -> longest suffix where a pattern ends, 0 = none */
} LsAutomaton;

#define LS_FOUND UINT32_C(0x80000000)
/* Patterns of one automaton, in bytes: bounds its table (4 bytes a byte and class). */
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
