/*
 * state.c: what the server's accumulator does with facts, without the server.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define NAME "model"

void *
ls_facts_alloc(size_t size)
{
	return malloc(size);
}

void
ls_facts_free(void *memory)
{
	free(memory);
}

void
fuzz_begin(FuzzSet *set, int64_t as_of_us)
{
	*set = (FuzzSet){0};
	set->facts.as_of_us = as_of_us;
	set->facts.from_us = INT64_MIN;
	set->facts.until_us = INT64_MAX;
}

static void
make_room(FuzzSet *set, int n)
{
	if (set->facts.n + n <= set->cap)
		return;
	set->cap = (set->facts.n + n) * 2;
	set->facts.items = realloc(set->facts.items, sizeof(LsFact) * set->cap);
}

void
fuzz_add(FuzzSet *set, const LsFact *fact)
{
	if (fact->at_us > set->facts.as_of_us)
	{
		ls_facts_readable_until(&set->facts, fact->at_us);
		return;
	}
	make_room(set, 1);
	set->facts.items[set->facts.n++] = *fact;
}

/* fuzz_join: false where the facts of both are not what their events are. */
bool
fuzz_join(FuzzSet *set, const FuzzSet *other, const LsTrack *tracks)
{
	bool can_join = ls_facts_can_join(&set->facts, &other->facts, tracks);

	make_room(set, other->facts.n);
	if (other->facts.n > 0)
		memcpy(set->facts.items + set->facts.n,
			   other->facts.items,
			   sizeof(LsFact) * other->facts.n);
	set->facts.n += other->facts.n;
	if (other->facts.as_of_us > set->facts.as_of_us)
		set->facts.as_of_us = other->facts.as_of_us;
	ls_facts_readable_from(&set->facts, other->facts.from_us);
	ls_facts_readable_until(&set->facts, other->facts.until_us);
	return can_join;
}

void
fuzz_free(FuzzSet *set)
{
	free(set->facts.items);
	set->facts.items = NULL;
}

LsState *
fuzz_write(const FuzzSet *set, const FuzzCase *fc, size_t *size)
{
	LsState *state;
	size_t room = ls_state_room(set->facts.n, strlen(NAME));

	state = calloc(1, room);
	*size = ls_state_write(state, &set->facts, fc->tracks, NAME);
	state->last_activity_us = INT64_MIN;
	/* No byte more than it has. */
	return *size <= room ? realloc(state, *size) : NULL;
}

/* fuzz_read: the sections by track; empty where there are no facts. */
void
fuzz_read(const LsState *state, LsSection *sections)
{
	LsSectionReader reader;
	LsSection section;

	for (int i = 0; i < FUZZ_MAX_TRACKS; i++)
		sections[i] = (LsSection){.unless_us = INT64_MIN};
	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		sections[section.track] = section;
}
