/*
 * ls_engagement_state.h: an engagement state as it is stored: a header, the
 * model's name, and a section for each track that has facts.
 *
 *     size, version, name's length, number of sections      8 bytes
 *     fingerprint, as_of, from, until, last activity         8 bytes each
 *     name, padded to 8
 *     sections: track, columns, number of facts              8 bytes
 *               UNLESS, MARK (8 bytes each, where there), then the columns:
 *               times, keys, values (8 bytes a fact), steps (4, padded to 8)
 *
 * Everything in memory is aligned to 8 bytes.
 */
#ifndef LS_ENGAGEMENT_STATE_H
#define LS_ENGAGEMENT_STATE_H

#include "ls_engagement_fact.h"

#define LS_STATE_VERSION 1
#define LS_STATE_MAX_NAME 63

typedef struct LsState
{
	int32_t size_word; /* the server's, for a value of variable length */
	uint8_t version;
	uint8_t name_length;
	uint16_t nsections;
	uint64_t fingerprint;
	int64_t as_of_us;
	int64_t from_us;
	int64_t until_us;
	int64_t last_activity_us; /* INT64_MIN = none */
} LsState;

/* Which columns a section has. */
#define LS_SECTION_UNLESS 1
#define LS_SECTION_MARK 2
#define LS_SECTION_KEYS 4
#define LS_SECTION_VALUES 8
#define LS_SECTION_STEPS 16
#define LS_SECTION_ALL 31

typedef struct LsSectionHead
{
	uint16_t track;
	uint8_t columns;
	uint8_t reserved;
	uint32_t n;
} LsSectionHead;

/* LsSection: a section's columns, the latest fact first. */
typedef struct LsSection
{
	int track;
	int columns;
	int n;
	int64_t unless_us; /* INT64_MIN = none */
	int64_t mark_us;
	const int64_t *times_us;
	const uint64_t *keys;
	const double *values;
	const uint32_t *steps;
} LsSection;

/* LsSectionReader: goes from section to section. */
typedef struct LsSectionReader
{
	const char *at;
	int left;
} LsSectionReader;

/* LsOpen: which tracks have sections. */
typedef struct LsOpen
{
	int n;
	int *tracks; /* room for all of them */
} LsOpen;

extern size_t ls_state_room(int nfacts, int name_length);
extern size_t ls_state_write(LsState *state,
							 const LsFacts *facts,
							 const LsTrack *tracks,
							 const char *name);
extern const char *ls_state_check_head(const LsState *state, size_t size);
extern const char *ls_state_check(const LsState *state, size_t size);
extern const char *ls_state_set_out(const LsState *state,
									size_t size,
									const LsTrack *tracks,
									int ntracks,
									LsSection *sections,
									LsOpen *open);
extern bool ls_state_fits(const LsState *state,
						  const LsTrack *tracks,
						  int ntracks,
						  bool is_final);
extern bool ls_state_same(const LsState *a, const LsState *b);
extern void ls_state_read(const LsState *state, LsSectionReader *reader);
extern bool ls_state_next(LsSectionReader *reader, LsSection *section);

/* ls_state_name: of the model; not terminated, see name_length. */
static inline const char *
ls_state_name(const LsState *state)
{
	return (const char *) (state + 1);
}

/* ls_state_sections: where they begin. */
static inline const char *
ls_state_sections(const LsState *state)
{
	return (const char *) (state + 1) + ((state->name_length + 7u) & ~7u);
}

extern int ls_state_count(const LsState *state);
extern int ls_state_facts(const LsState *state, LsFact *items);
extern int ls_track_columns(const LsTrack *track);
extern size_t ls_track_max_size(const LsTrack *track);

#endif /* LS_ENGAGEMENT_STATE_H */
