/*
 * bytes.c: states that somebody damaged. Where the check lets one pass, all that
 * can be done with it comes to an end and touches no foreign memory.
 */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* damage: in place; gives the new size, which never grows. */
static size_t
damage(unsigned char *bytes, size_t size)
{
	static const uint64_t words[] =
		{0, 1, 31, 0xffffffff, 0x7fffffff, INT64_MAX, (uint64_t) INT64_MIN, UINT64_MAX};
	size_t at = fuzz_random() % size;
	size_t to = fuzz_random() % size;
	size_t length = 1 + fuzz_random() % 16;

	switch (fuzz_below(6))
	{
		case 0:
			bytes[at] ^= (unsigned char) (1 << fuzz_below(8));
			break;
		case 1:
			bytes[at] = (unsigned char) fuzz_random();
			break;
		case 2:
			return at;
		case 3:
			length = at + length > size ? size - at : length;
			length = to + length > size ? size - to : length;
			memmove(bytes + to, bytes + at, length);
			break;
		case 4:
			memmove(bytes + at,
					bytes + at + (size - at > 8 ? 8 : 0),
					size - at - (size - at > 8 ? 8 : 0));
			return size - (size - at > 8 ? 8 : 0);
		default:
			at &= ~(size_t) 3;
			if (at + 8 <= size)
				memcpy(bytes + at, &words[fuzz_below(8)], fuzz_chance(50) ? 4 : 8);
	}
	return size;
}

/* read_all: each rule at some moments. */
static void
read_all(const FuzzCase *fc, const LsState *state)
{
	LsSection sections[FUZZ_MAX_TRACKS];

	fuzz_read(state, sections);
	for (int i = 0; i < 4 * fc->nrules; i++)
	{
		const LsTiming *rule = &fc->rules[i % fc->nrules];
		const LsSection *section = &sections[rule->track - fc->tracks];
		LsMoment moment = {fuzz_moment(fc, rule),
						   fuzz_moment(fc, rule),
						   state->last_activity_us};
		double falling = 0;
		double rising = 0;
		LsTally tally;

		ls_timing_tally(rule, section, &moment, &tally);
		(void) ls_timing_next(rule, section, &moment);
		ls_timing_rates(rule, section, &moment, &falling, &rising);
	}
}

/* is_finite: the server refuses sums that are not. */
static bool
is_finite(const FuzzSet *set)
{
	for (int i = 0; i < set->facts.n; i++)
		if (!isfinite(set->facts.items[i].value))
			return false;
	return true;
}

/* join_all: with itself, and store that. */
static const char *
join_all(const FuzzCase *fc, const LsState *state)
{
	FuzzSet set;
	FuzzSet twice;
	LsState *written;
	size_t size;
	const char *wrong;

	fuzz_begin(&set, state->as_of_us);
	set.facts.n = set.cap = ls_state_count(state);
	set.facts.items = malloc(sizeof(LsFact) * (set.cap + 1));
	(void) ls_state_facts(state, set.facts.items);
	fuzz_begin(&twice, state->as_of_us);
	(void) fuzz_join(&twice, &set, fc->tracks);
	(void) fuzz_join(&twice, &set, fc->tracks);
	ls_facts_reduce(&twice.facts, fc->tracks, true);
	written = fuzz_write(&twice, fc, &size);
	wrong = is_finite(&twice) ? ls_state_check(written, size) : NULL;
	if (wrong == NULL && !ls_state_fits(written, fc->tracks, fc->ntracks, true))
		wrong = "a state joined with itself does not fit";
	free(written);
	fuzz_free(&set);
	fuzz_free(&twice);
	return wrong;
}

/*
 * fuzz_bytes: NULL, or what went wrong with a damaged state.
 */
const char *
fuzz_bytes(const FuzzCase *fc)
{
	FuzzSet set;
	LsState *state;
	LsState *copy;
	size_t size;
	bool is_final = fuzz_chance(80);
	const char *wrong = NULL;

	fuzz_begin(&set, fc->as_of_us);
	for (int i = 0; i < fc->n; i++)
		fuzz_add(&set, &fc->facts[i]);
	ls_facts_reduce(&set.facts, fc->tracks, is_final);
	state = fuzz_write(&set, fc, &size);
	for (int i = 0; i < 20 && wrong == NULL; i++)
	{
		size_t left = size;

		/* Memory of just its size, so that a sanitizer sees every step beyond. */
		copy = malloc(size);
		memcpy(copy, state, size);
		for (int n = 1 + fuzz_below(3); n > 0 && left > 0; n--)
			left = damage((unsigned char *) copy, left);
		copy = realloc(copy, left > 0 ? left : 1);
		if (ls_state_check(copy, left) == NULL &&
			ls_state_fits(copy, fc->tracks, fc->ntracks, is_final))
		{
			read_all(fc, copy);
			wrong = join_all(fc, copy);
		}
		free(copy);
	}
	free(state);
	fuzz_free(&set);
	return wrong;
}
