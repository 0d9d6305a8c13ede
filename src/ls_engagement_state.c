/*
 * ls_engagement_state.c: states: written, read, and checked byte by byte before
 * anything else looks at them.
 */
#include "ls_engagement_state.h"

#include <math.h>
#include <string.h>

static size_t
padded(size_t size)
{
	return (size + 7) & ~(size_t) 7;
}

/* section_size: of a section with these columns and so many facts. */
static inline size_t
section_size(int columns, size_t n)
{
	size_t words = n;

	words += columns & LS_SECTION_UNLESS ? 1 : 0;
	words += columns & LS_SECTION_MARK ? 1 : 0;
	words += columns & LS_SECTION_KEYS ? n : 0;
	words += columns & LS_SECTION_VALUES ? n : 0;
	words += columns & LS_SECTION_STEPS ? (n + 1) / 2 : 0;
	return sizeof(LsSectionHead) + 8 * words;
}

/*
 * ls_track_columns: the columns of a track's section, UNLESS and MARK aside.
 */
int
ls_track_columns(const LsTrack *track)
{
	switch (track->kind)
	{
		case LS_TRACK_LIST:
			return (track->has_key ? LS_SECTION_KEYS : 0) |
				   (track->has_value ? LS_SECTION_VALUES : 0);
		case LS_TRACK_SUM:
			return LS_SECTION_KEYS |
				   (track->has_value || track->half_life_us > 0 ? LS_SECTION_VALUES
																: 0);
		case LS_TRACK_SEQUENCE:
			return LS_SECTION_STEPS;
		case LS_TRACK_STREAK:
			return LS_SECTION_KEYS | LS_SECTION_STEPS;
	}
	return 0;
}

/* can_forget: may a final reduction leave a mark? */
static bool
can_forget(const LsTrack *track)
{
	return track->kind == LS_TRACK_SEQUENCE || track->kind == LS_TRACK_STREAK;
}

/* max_facts: how many a final reduction leaves. */
static size_t
max_facts(const LsTrack *track)
{
	size_t nsteps = track->nsteps;

	switch (track->kind)
	{
		case LS_TRACK_LIST:
			return track->cap + (track->after_us > 0 ? LS_TRACK_YOUNG : 0);
		case LS_TRACK_SUM:
			return 1;
		case LS_TRACK_SEQUENCE:
			/* So many are left alone; in order, a chain for each step. */
			return track->order == LS_TRACK_IN_ORDER && nsteps > 3
					   ? nsteps * (nsteps + 1) / 2
					   : 2 * nsteps;
		case LS_TRACK_STREAK:
			return 2 * (size_t) (track->cap + LS_TRACK_YOUNG) + LS_TRACK_YOUNG;
	}
	return 0;
}

/*
 * ls_track_max_size: the most bytes that a track can take in a stored state.
 */
size_t
ls_track_max_size(const LsTrack *track)
{
	int columns = ls_track_columns(track);

	if (track->has_unless)
		columns |= LS_SECTION_UNLESS;
	if (can_forget(track))
		columns |= LS_SECTION_MARK;
	return section_size(columns, max_facts(track));
}

/* ---- writing ---------------------------------------------------------- */

/*
 * ls_state_room: no state of so many facts is larger.
 */
size_t
ls_state_room(int nfacts, int name_length)
{
	return sizeof(LsState) + padded(name_length) +
		   (sizeof(LsSectionHead) + 4 * 8) * (size_t) nfacts;
}

/* write_facts: the columns of n facts; gives where they end. */
static char *
write_facts(uint64_t *word, int columns, const LsFact *items, int n)
{
	uint32_t *steps;

	for (int i = 0; i < n; i++)
		*word++ = (uint64_t) items[i].at_us;
	for (int i = 0; i < n && columns & LS_SECTION_KEYS; i++)
		*word++ = items[i].key;
	for (int i = 0; i < n && columns & LS_SECTION_VALUES; i++)
		memcpy(word++, &items[i].value, 8);
	if (!(columns & LS_SECTION_STEPS))
		return (char *) word;
	steps = (uint32_t *) word;
	for (int i = 0; i < n; i++)
		*steps++ = items[i].what;
	if (n % 2 != 0)
		*steps++ = 0;
	return (char *) steps;
}

/* write_section: of the facts of one track, n of them. */
static char *
write_section(char *at, const LsTrack *track, const LsFact *items, int n)
{
	LsSectionHead *head = (LsSectionHead *) at;
	uint64_t *word = (uint64_t *) (head + 1);
	int columns = ls_track_columns(track);

	if (items->what == LS_FACT_UNLESS)
	{
		columns |= LS_SECTION_UNLESS;
		*word++ = (uint64_t) (items++)->at_us;
		n--;
	}
	if (n > 0 && items->what == LS_FACT_MARK)
	{
		columns |= LS_SECTION_MARK;
		*word++ = (uint64_t) (items++)->at_us;
		n--;
	}
	head->columns = (uint8_t) columns;
	head->reserved = 0;
	head->n = (uint32_t) n;
	return write_facts(word, columns, items, n);
}

/*
 * ls_state_write: facts must be reduced, and there must be as much room as
 * ls_state_room says. All but the size word, the fingerprint and the last activity
 * is written; gives the size.
 */
size_t
ls_state_write(LsState *state,
			   const LsFacts *facts,
			   const LsTrack *tracks,
			   const char *name)
{
	size_t name_length = strlen(name);
	char *at;
	int next;

	state->version = LS_STATE_VERSION;
	state->name_length = (uint8_t) name_length;
	state->nsections = 0;
	state->as_of_us = facts->as_of_us;
	state->from_us = facts->from_us;
	state->until_us = facts->until_us;
	at = (char *) ls_state_sections(state);
	memset(at - 8, 0, 8);
	memcpy(state + 1, name, name_length);
	for (int i = 0; i < facts->n; i = next)
	{
		const LsFact *items = &facts->items[i];

		for (next = i + 1; next < facts->n && facts->items[next].track == items->track;)
			next++;
		((LsSectionHead *) at)->track = (uint16_t) items->track;
		at = write_section(at, &tracks[items->track], items, next - i);
		state->nsections++;
	}
	return (size_t) (at - (char *) state);
}

/* ---- reading ---------------------------------------------------------- */

/*
 * ls_state_read: to the first section of a state that was checked.
 */
void
ls_state_read(const LsState *state, LsSectionReader *reader)
{
	reader->at = ls_state_sections(state);
	reader->left = state->nsections;
}

/*
 * ls_state_next: the next section; false at the end.
 */
bool
ls_state_next(LsSectionReader *reader, LsSection *section)
{
	const LsSectionHead *head = (const LsSectionHead *) reader->at;
	const int64_t *words = (const int64_t *) (head + 1);
	size_t n;

	if (reader->left == 0)
		return false;
	n = head->n;
	section->track = head->track;
	section->columns = head->columns;
	section->n = (int) n;
	section->unless_us = head->columns & LS_SECTION_UNLESS ? *words++ : INT64_MIN;
	section->mark_us = head->columns & LS_SECTION_MARK ? *words++ : INT64_MIN;
	section->times_us = words;
	words += n;
	section->keys = (const uint64_t *) words;
	words += head->columns & LS_SECTION_KEYS ? n : 0;
	section->values = (const double *) words;
	words += head->columns & LS_SECTION_VALUES ? n : 0;
	section->steps = (const uint32_t *) words;
	words += head->columns & LS_SECTION_STEPS ? (n + 1) / 2 : 0;
	reader->at = (const char *) words;
	reader->left--;
	return true;
}

/*
 * ls_state_count: how many facts ls_state_facts gives.
 */
int
ls_state_count(const LsState *state)
{
	LsSectionReader reader;
	LsSection section;
	int count = 0;

	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		count += section.n + (section.columns & LS_SECTION_UNLESS ? 1 : 0) +
				 (section.columns & LS_SECTION_MARK ? 1 : 0);
	return count;
}

static int
section_facts(const LsSection *section, LsFact *items)
{
	LsFact none = {.track = (uint32_t) section->track};
	int n = 0;

	if (section->columns & LS_SECTION_UNLESS)
	{
		items[n] = none;
		items[n].what = LS_FACT_UNLESS;
		items[n++].at_us = section->unless_us;
	}
	if (section->columns & LS_SECTION_MARK)
	{
		items[n] = none;
		items[n].what = LS_FACT_MARK;
		items[n++].at_us = section->mark_us;
	}
	for (int i = 0; i < section->n; i++, n++)
	{
		items[n] = none;
		items[n].at_us = section->times_us[i];
		if (section->columns & LS_SECTION_KEYS)
			items[n].key = section->keys[i];
		if (section->columns & LS_SECTION_VALUES)
			items[n].value = section->values[i];
		if (section->columns & LS_SECTION_STEPS)
			items[n].what = section->steps[i];
	}
	return n;
}

/*
 * ls_state_facts: the facts of a state that was checked. Gives their number.
 */
int
ls_state_facts(const LsState *state, LsFact *items)
{
	LsSectionReader reader;
	LsSection section;
	int n = 0;

	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		n += section_facts(&section, items + n);
	return n;
}

/* ---- checking --------------------------------------------------------- */

/* check_times: the latest first, and none infinite. */
static const char *
check_times(const LsSection *section)
{
	const int64_t *times_us = section->times_us;
	int n = section->n;

	if (n == 0)
		return NULL;
	if (times_us[0] == INT64_MAX || times_us[n - 1] == INT64_MIN)
		return "a time is infinite";
	for (int i = 1; i < n; i++)
		if (times_us[i] > times_us[i - 1])
			return "times are not in order";
	return NULL;
}

static const char *
check_section(const LsSection *section)
{
	const char *problem = check_times(section);

	if (problem != NULL)
		return problem;
	for (int i = 0; i < section->n && section->columns & LS_SECTION_VALUES; i++)
		if (!isfinite(section->values[i]))
			return "a value is not finite";
	for (int i = 0; i < section->n && section->columns & LS_SECTION_STEPS; i++)
		if (section->steps[i] >> LS_TRACK_MAX_STEPS != 0)
			return "there is no such step";
	return NULL;
}

/* LsCheck: what was looked at of a state. */
typedef struct LsCheck
{
	LsSectionReader reader;
	size_t left; /* bytes */
	int track;
} LsCheck;

static void
begin_check(LsCheck *check, const LsState *state, size_t size)
{
	ls_state_read(state, &check->reader);
	check->left = size - (size_t) (check->reader.at - (const char *) state);
	check->track = -1;
}

/* next_sound: the next section; NULL, or what is wrong with it. */
static inline const char *
next_sound(LsCheck *check, LsSection *section)
{
	const LsSectionHead *head = (const LsSectionHead *) check->reader.at;
	size_t size;

	if (check->left < sizeof(LsSectionHead) || head->n > check->left / 8)
		return "it ends within a section";
	if (head->columns & ~LS_SECTION_ALL || head->reserved != 0)
		return "a section has unknown columns";
	if (head->track <= check->track)
		return "sections are not in order";
	size = section_size(head->columns, head->n);
	if (size > check->left)
		return "it ends within a section";
	check->track = head->track;
	check->left -= size;
	(void) ls_state_next(&check->reader, section);
	return check_section(section);
}

/*
 * ls_state_check_head: is it a state, and of which model? NULL, or what is wrong.
 */
const char *
ls_state_check_head(const LsState *state, size_t size)
{
	if (size < sizeof(LsState))
		return "it is too short";
	if (state->version != LS_STATE_VERSION)
		return "it has another format";
	if (state->name_length == 0 || state->name_length > LS_STATE_MAX_NAME ||
		sizeof(LsState) + padded(state->name_length) > size ||
		memchr(ls_state_name(state), '\0', state->name_length) != NULL)
		return "it names no model";
	return NULL;
}

/*
 * ls_state_check: is this a state that can be read without harm? NULL, or what
 * is wrong.
 */
const char *
ls_state_check(const LsState *state, size_t size)
{
	const char *problem = ls_state_check_head(state, size);
	LsSection section;
	LsCheck check;

	if (problem != NULL)
		return problem;
	begin_check(&check, state, size);
	while (check.reader.left > 0 && problem == NULL)
		problem = next_sound(&check, &section);
	if (problem == NULL && check.left > 0)
		problem = "its size is wrong";
	return problem;
}

/* fits_track: is this what the track makes of facts? */
static inline bool
fits_track(const LsSection *section, const LsTrack *track, bool is_final)
{
	int columns = ls_track_columns(track);
	uint32_t limit = track->kind == LS_TRACK_STREAK ? 2 : 1u << track->nsteps;

	if (track->has_unless)
		columns |= section->columns & LS_SECTION_UNLESS;
	if (can_forget(track))
		columns |= section->columns & LS_SECTION_MARK;
	if (section->columns != columns)
		return false;
	for (int i = 0; i < section->n && columns & LS_SECTION_STEPS; i++)
		if (section->steps[i] >= limit)
			return false;
	return !is_final || (size_t) section->n <= max_facts(track);
}

/*
 * ls_state_set_out: sections by track, of a state whose head was checked. The rest
 * is checked here, and against the tracks. NULL, or what is wrong; `open` is which
 * of them are set, in any case.
 */
const char *
ls_state_set_out(const LsState *state,
				 size_t size,
				 const LsTrack *tracks,
				 int ntracks,
				 LsSection *sections,
				 LsOpen *open)
{
	LsSection section;
	LsCheck check;

	begin_check(&check, state, size);
	while (check.reader.left > 0)
	{
		const char *problem = next_sound(&check, &section);

		if (problem != NULL)
			return problem;
		if (section.track >= ntracks ||
			!fits_track(&section, &tracks[section.track], true))
			return "it does not fit the model";
		sections[section.track] = section;
		open->tracks[open->n++] = section.track;
	}
	return check.left == 0 ? NULL : "its size is wrong";
}

/*
 * ls_state_fits: are its sections those of the tracks? A final one, which is made
 * for storing, has a limited size too.
 */
bool
ls_state_fits(const LsState *state, const LsTrack *tracks, int ntracks, bool is_final)
{
	LsSectionReader reader;
	LsSection section;

	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		if (section.track >= ntracks ||
			!fits_track(&section, &tracks[section.track], is_final))
			return false;
	return true;
}

/* is_same_number: up to the order in which its parts were added. */
static bool
is_same_number(double a, double b)
{
	return a == b || fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b));
}

static bool
is_same_section(const LsSection *a, const LsSection *b)
{
	size_t n = (size_t) a->n;

	if (a->track != b->track || a->columns != b->columns || a->n != b->n ||
		a->unless_us != b->unless_us || a->mark_us != b->mark_us)
		return false;
	for (size_t i = 0; i < n; i++)
		if (a->times_us[i] != b->times_us[i] ||
			((a->columns & LS_SECTION_KEYS) != 0 && a->keys[i] != b->keys[i]) ||
			((a->columns & LS_SECTION_VALUES) != 0 &&
			 !is_same_number(a->values[i], b->values[i])) ||
			((a->columns & LS_SECTION_STEPS) != 0 && a->steps[i] != b->steps[i]))
			return false;
	return true;
}

/*
 * ls_state_same: does b say nothing that a does not, from now on and of before? They
 * may be of other moments, and have come about in another order; but a must not be read
 * as of a moment of which b knows that it cannot.
 */
bool
ls_state_same(const LsState *a, const LsState *b)
{
	LsSectionReader read_a;
	LsSectionReader read_b;
	LsSection section_a;
	LsSection section_b;

	if (a->fingerprint != b->fingerprint || a->nsections != b->nsections ||
		a->from_us < b->from_us || a->until_us != b->until_us ||
		a->last_activity_us != b->last_activity_us)
		return false;
	ls_state_read(a, &read_a);
	ls_state_read(b, &read_b);
	while (ls_state_next(&read_a, &section_a) && ls_state_next(&read_b, &section_b))
		if (!is_same_section(&section_a, &section_b))
			return false;
	return true;
}
