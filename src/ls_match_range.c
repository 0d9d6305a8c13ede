/*
 * ls_match_range.c: which ranges hold a value, by ordered bounds.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct LsPendingRange
{
	LsBound lower;
	LsBound upper;
	LsTarget target;
} LsPendingRange;

static LsRangeIndex *
make_index(const LsSubject *subject, const LsPredicate *predicate)
{
	LsRangeIndex *index = palloc0(sizeof(LsRangeIndex));

	index->key_class = predicate->key_class;
	index->collation = predicate->collation;
	if (index->key_class == LS_KEY_ORDERED)
	{
		TypeCacheEntry *type =
			lookup_type_cache(exprType(subject->expr), TYPECACHE_CMP_PROC);

		get_typlenbyval(type->type_id, &index->typlen, &index->typbyval);
		index->compare = palloc0(sizeof(FmgrInfo));
		fmgr_info_cxt(type->cmp_proc, index->compare, CurrentMemoryContext);
	}
	return index;
}

static void
add_range(LsRangeIndex *index, LsBound lower, LsBound upper, const LsTarget *target)
{
	LsPendingRange range = {lower, upper, *target};

	index->ranges = ls_match_note(index->ranges, &range, sizeof(range), target);
}

/* add_points: the values of a set as ranges of one value each, or the gaps between. */
static void
add_points(LsRangeIndex *index, const LsPredicate *predicate, const LsTarget *target)
{
	LsBound at = {true, true, 0};
	LsBound after = {true, false, 0};
	LsBound before = {0};

	if (!predicate->negated)
	{
		for (int i = 0; i < predicate->nvalues; i++)
		{
			at.value = predicate->values[i];
			add_range(index, at, at, target);
		}
		return;
	}
	for (int i = 0; i < predicate->nvalues; i++)
	{
		after.value = predicate->values[i];
		add_range(index, before, after, target);
		before = after;
	}
	add_range(index, before, (LsBound){0}, target);
}

/*
 * ls_range_insert: a RANGE, or a SET whose values are distinct and in order.
 */
void
ls_range_insert(LsRangeIndex **index,
				const LsSubject *subject,
				const LsPredicate *predicate,
				const LsTarget *target)
{
	if (*index == NULL)
		*index = make_index(subject, predicate);
	if (predicate->kind == LS_PRED_SET)
		add_points(*index, predicate, target);
	else
		add_range(*index, predicate->lower, predicate->upper, target);
}

static int
compare_keys(const LsRangeIndex *index, Datum a, Datum b)
{
	int64 left;
	int64 right;

	if (index->key_class == LS_KEY_ORDERED)
		return DatumGetInt32(FunctionCall2Coll(index->compare, index->collation, a, b));
	left = DatumGetInt64(a);
	right = DatumGetInt64(b);
	return (left > right) - (left < right);
}

static int
compare_bounds(const void *a, const void *b, void *index)
{
	return compare_keys(index, *(const Datum *) a, *(const Datum *) b);
}

/* collect_bounds: the distinct bounds in order. */
static void
collect_bounds(LsRangeIndex *index)
{
	Datum *bounds = palloc(sizeof(Datum) * (2 * list_length(index->ranges) + 1));
	int n = 0;
	int distinct = 0;
	ListCell *cell;

	foreach(cell, index->ranges)
	{
		const LsPendingRange *range = lfirst(cell);

		if (range->lower.given)
			bounds[n++] = range->lower.value;
		if (range->upper.given)
			bounds[n++] = range->upper.value;
	}
	qsort_arg(bounds, n, sizeof(Datum), compare_bounds, index);
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_keys(index, bounds[i], bounds[distinct - 1]) != 0)
			bounds[distinct++] = bounds[i];
	if (index->key_class == LS_KEY_ORDERED)
		for (int i = 0; i < distinct; i++)
			bounds[i] = datumCopy(bounds[i], index->typbyval, index->typlen);
	index->bounds = bounds;
	index->nbounds = distinct;
}

/* find_ordered: the slot of a value whose comparison is a function call. */
static int
find_ordered(const LsRangeIndex *index, Datum key)
{
	int low = 0;
	int high = index->nbounds;

	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = compare_keys(index, index->bounds[middle], key);

		if (order == 0)
			return 2 * middle + 1;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 2 * low;
}

/*
 * find_int: the same without branches that a processor would have to guess:
 * `base` is the last bound <= key, where there is one.
 */
static int
find_int(const LsRangeIndex *index, int64 key)
{
	const Datum *base = index->bounds;
	int left = index->nbounds;
	int at;

	if (left == 0)
		return 0;
	while (left > 1)
	{
		int half = left / 2;

		base = DatumGetInt64(base[half]) <= key ? base + half : base;
		left -= half;
	}
	at = (int) (base - index->bounds);
	if (DatumGetInt64(*base) > key)
		return 0;
	return DatumGetInt64(*base) == key ? 2 * at + 1 : 2 * at + 2;
}

/*
 * ls_range_find: the slot of a value.
 */
int
ls_range_find(const LsRangeIndex *index, Datum key)
{
	if (index->key_class == LS_KEY_INT)
		return find_int(index, DatumGetInt64(key));
	return find_ordered(index, key);
}

/* insert_nodes: put the range from slot `from` to before `to` into the tree. */
static void
insert_nodes(LsRangeIndex *index, int from, int to, const LsTarget *target)
{
	int left = from + index->nslots;
	int right = to + index->nslots;

	for (; left < right; left /= 2, right /= 2)
	{
		if (left % 2 == 1)
			ls_payload_add(&index->nodes[left++], target);
		if (right % 2 == 1)
			ls_payload_add(&index->nodes[--right], target);
	}
}

static void
insert_range(LsRangeIndex *index, const LsPendingRange *range)
{
	int from = 0;
	int to = index->nslots;

	if (range->lower.given)
	{
		from = ls_range_find(index, range->lower.value);
		from += range->lower.inclusive ? 0 : 1;
	}
	if (range->upper.given)
	{
		to = ls_range_find(index, range->upper.value);
		to += range->upper.inclusive ? 1 : 0;
	}
	if (from < to)
		insert_nodes(index, from, to, &range->target);
}

/*
 * ls_range_finish: all ranges are in; build the tree.
 */
void
ls_range_finish(LsRangeIndex *index)
{
	ListCell *cell;

	collect_bounds(index);
	index->nslots = 2 * index->nbounds + 1;
	index->nodes = palloc0(sizeof(LsPayload) * 2 * index->nslots);
	index->points = palloc0(sizeof(double) * index->nslots);
	foreach(cell, index->ranges)
		insert_range(index, lfirst(cell));
	index->ranges = NIL;

	for (int slot = 0; slot < index->nslots; slot++)
		for (int node = slot + index->nslots; node > 0; node /= 2)
			index->points[slot] += index->nodes[node].points;
	for (int node = 1; node < 2 * index->nslots; node++)
		index->has_more |= index->nodes[node].more != NULL;
	if (!index->has_more)
	{
		pfree(index->nodes);
		index->nodes = NULL;
	}
}
