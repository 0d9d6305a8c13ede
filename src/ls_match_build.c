/*
 * ls_match_build.c: put predicates into the indexes of their subject.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

/* grow: room for one more element; arrays grow by powers of two. */
static void *
grow(void *array, int n, Size element)
{
	if (n == 0)
		return palloc(element);
	if ((n & (n - 1)) != 0)
		return array;
	return repalloc(array, element * 2 * n);
}

static void
add_points(LsMore *more, int slot, double points)
{
	for (int i = 0; i < more->nadds; i++)
		if (more->adds[i].slot == slot)
		{
			more->adds[i].points += points;
			return;
		}
	more->adds = grow(more->adds, more->nadds, sizeof(LsAdd));
	more->adds[more->nadds].slot = slot;
	more->adds[more->nadds++].points = points;
}

/*
 * ls_payload_add: from now on a hit on the payload also does this.
 */
void
ls_payload_add(LsPayload *payload, const LsTarget *target)
{
	bool as_sum = target->matcher->mode == LS_MATCH_SUM && target->guarded < 0;
	LsMore *more;

	if (as_sum && target->slot == 0)
	{
		payload->points += target->points;
		return;
	}
	if (payload->more == NULL)
		payload->more = palloc0(sizeof(LsMore));
	more = payload->more;
	if (as_sum)
		add_points(more, target->slot, target->points);
	else if (target->guarded < 0)
	{
		more->hits = grow(more->hits, more->nhits, sizeof(int));
		more->hits[more->nhits++] = target->rule;
	}
	else
	{
		more->guarded = grow(more->guarded, more->nguarded, sizeof(int));
		more->guarded[more->nguarded++] = target->guarded;
	}
}

/*
 * ls_match_note: append a copy of what is needed until the indexes are built.
 */
List *
ls_match_note(List *list, const void *element, Size size, const LsTarget *target)
{
	MemoryContext old = MemoryContextSwitchTo(target->scratch);
	void *copy = memcpy(palloc(size), element, size);

	list = lappend(list, copy);
	MemoryContextSwitchTo(old);
	return list;
}

/*
 * ls_match_insert: one predicate leads to the target.
 */
void
ls_match_insert(LsSubject *subject,
				const LsPredicate *predicate,
				const LsTarget *target)
{
	switch (predicate->kind)
	{
		case LS_PRED_NULL:
			ls_payload_add(predicate->negated ? &subject->if_not_null
											  : &subject->if_null,
						   target);
			break;
		case LS_PRED_PATTERN:
			ls_text_insert(&subject->texts[predicate->ignore_case], predicate, target);
			break;
		case LS_PRED_SET:
		case LS_PRED_RANGE:
			if (predicate->key_class == LS_KEY_BYTES)
				ls_set_insert(&subject->set, subject, predicate, target);
			else if (predicate->key_class == LS_KEY_INT)
				ls_range_insert(&subject->ints, subject, predicate, target);
			else
				ls_range_insert(&subject->ordered, subject, predicate, target);
			break;
	}
}

/*
 * ls_match_finish_subject: all predicates are in.
 */
void
ls_match_finish_subject(LsSubject *subject)
{
	if (subject->ints != NULL)
		ls_range_finish(subject->ints);
	if (subject->ordered != NULL)
		ls_range_finish(subject->ordered);
	if (subject->set != NULL)
		ls_set_finish(subject->set);
	for (int i = 0; i < 2; i++)
		if (subject->texts[i] != NULL)
			ls_text_finish(subject->texts[i]);
}
