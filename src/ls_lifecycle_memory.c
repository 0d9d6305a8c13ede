/*
 * ls_lifecycle_memory.c: what is remembered of a contact from one look at it to
 * the next: whose conditions hold, what happened when, and which transitions are
 * held back.
 *
 * In the score row it is text: for each thing a sign, for '@' a moment in
 * microseconds, the length of a name in bytes, ':' and the name.
 */
#include "ls_lifecycle.h"

#include "lib/stringinfo.h"

typedef struct LsRemembered
{
	char what;
	const char *name;
	int64 at_us;
} LsRemembered;

struct LsMemory
{
	List *items; /* of LsRemembered */
};

/* read_number: decimal digits up to the sign `end`; false where there is else. */
static bool
read_number(const char **at, char end, int64 *number)
{
	char *rest;

	*number = strtoll(*at, &rest, 10);
	if (rest == *at || *rest != end)
		return false;
	*at = rest + 1;
	return true;
}

/* read_item: NULL at the end, or where it is no item: what is not understood is
 * forgotten. */
static LsRemembered *
read_item(const char **at)
{
	LsRemembered *item = palloc0(sizeof(LsRemembered));
	int64 length;

	item->what = **at;
	if (item->what == '\0')
		return NULL;
	(*at)++;
	if (item->what == LS_MEMORY_FIRED && !read_number(at, ' ', &item->at_us))
		return NULL;
	if (!read_number(at, ':', &length) || length < 0 || length > (int64) strlen(*at))
		return NULL;
	item->name = pnstrdup(*at, length);
	*at += length;
	return item;
}

/*
 * ls_memory_read: of the text in the score row; NULL = nothing is remembered.
 */
LsMemory *
ls_memory_read(const char *text)
{
	LsMemory *memory = palloc0(sizeof(LsMemory));
	LsRemembered *item;

	while (text != NULL && (item = read_item(&text)) != NULL)
		memory->items = lappend(memory->items, item);
	return memory;
}

/*
 * ls_memory_write: NULL where there is nothing to remember.
 */
const char *
ls_memory_write(const LsMemory *memory)
{
	StringInfoData text;
	ListCell *cell;

	if (memory->items == NIL)
		return NULL;
	initStringInfo(&text);
	foreach(cell, memory->items)
	{
		const LsRemembered *item = lfirst(cell);

		appendStringInfoChar(&text, item->what);
		if (item->what == LS_MEMORY_FIRED)
			appendStringInfo(&text, INT64_FORMAT " ", item->at_us);
		appendStringInfo(&text, "%d:%s", (int) strlen(item->name), item->name);
	}
	return text.data;
}

static LsRemembered *
find(const LsMemory *memory, char what, const char *name)
{
	ListCell *cell;

	foreach(cell, memory->items)
	{
		LsRemembered *item = lfirst(cell);

		if (item->what == what && strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

bool
ls_memory_has(const LsMemory *memory, char what, const char *name)
{
	return find(memory, what, name) != NULL;
}

static LsRemembered *
add(LsMemory *memory, char what, const char *name)
{
	LsRemembered *item = palloc0(sizeof(LsRemembered));

	item->what = what;
	item->name = name;
	memory->items = lappend(memory->items, item);
	return item;
}

/*
 * ls_memory_set: remember it, or forget it.
 */
void
ls_memory_set(LsMemory *memory, char what, const char *name, bool on)
{
	LsRemembered *item = find(memory, what, name);

	if (on && item == NULL)
		(void) add(memory, what, name);
	else if (!on && item != NULL)
		memory->items = list_delete_ptr(memory->items, item);
}

/*
 * ls_memory_moment: when the action happened last; false = never.
 */
bool
ls_memory_moment(const LsMemory *memory, const char *name, int64 *at_us)
{
	const LsRemembered *item = find(memory, LS_MEMORY_FIRED, name);

	if (item != NULL)
		*at_us = item->at_us;
	return item != NULL;
}

void
ls_memory_set_moment(LsMemory *memory, const char *name, int64 at_us)
{
	LsRemembered *item = find(memory, LS_MEMORY_FIRED, name);

	if (item == NULL)
		item = add(memory, LS_MEMORY_FIRED, name);
	item->at_us = at_us;
}

void
ls_memory_forget_all(LsMemory *memory, char what)
{
	ListCell *cell;

	foreach(cell, memory->items)
		if (((LsRemembered *) lfirst(cell))->what == what)
			memory->items = foreach_delete_current(memory->items, cell);
}

/*
 * ls_memory_join_fired: two contacts become one: what happened to either of them has
 * happened, at the later moment. Texts as in score rows; gives '' for nothing.
 */
const char *
ls_memory_join_fired(const char *into, const char *from)
{
	LsMemory *memory = ls_memory_read(into);
	const char *text;
	ListCell *cell;

	foreach(cell, ls_memory_read(from)->items)
	{
		const LsRemembered *item = lfirst(cell);
		int64 at_us;

		if (item->what != LS_MEMORY_FIRED ||
			(ls_memory_moment(memory, item->name, &at_us) && at_us >= item->at_us))
			continue;
		ls_memory_set_moment(memory, item->name, item->at_us);
	}
	text = ls_memory_write(memory);
	return text == NULL ? "" : text;
}
