/*
 * ls_match_columns.c: the columns that conditions name, and rows of any type
 * that has them.
 *
 * Conditions were read against the model's relations; a row may come from a
 * partition, a view or a ROW() with other column numbers. So the matcher keeps
 * its own numbering, and rows are mapped to it by name.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct LsMapContext
{
	LsMatcher *matcher;
	const LsCondScope *scope;
} LsMapContext;

static int
find_or_add_column(LsMatcher *matcher, const Var *var, const LsCondScope *scope)
{
	LsCondRelation *relation = list_nth(scope->relations, var->varno - 1);
	LsMatchColumn *column;
	MemoryContext old;

	for (int i = 0; i < matcher->ncolumns; i++)
		if (matcher->columns[i].relno == var->varno &&
			matcher->columns[i].attno == var->varattno)
			return i;

	/* The rule at hand is taken apart in a context that goes; this stays. */
	old = MemoryContextSwitchTo(GetMemoryChunkContext(matcher));
	matcher->columns = matcher->ncolumns == 0
						   ? palloc(sizeof(LsMatchColumn))
						   : repalloc(matcher->columns,
									  sizeof(LsMatchColumn) * (matcher->ncolumns + 1));
	column = &matcher->columns[matcher->ncolumns];
	column->relno = var->varno;
	column->attno = var->varattno;
	column->name = get_attname(relation->relid, var->varattno, false);
	column->type = var->vartype;
	column->typmod = var->vartypmod;
	column->collation = var->varcollid;
	MemoryContextSwitchTo(old);
	return matcher->ncolumns++;
}

static Node *
map_columns_mutator(Node *node, LsMapContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = (Var *) copyObject(node);

		var->varattno = find_or_add_column(context->matcher, var, context->scope) + 1;
		var->varno = 1;
		var->varattnosyn = var->varattno;
		var->varnosyn = 1;
		return (Node *) var;
	}
	return expression_tree_mutator(node, map_columns_mutator, context);
}

/*
 * ls_match_map_columns: the expression over the matcher's own column numbers.
 */
Node *
ls_match_map_columns(LsMatcher *matcher, Node *expr, const LsCondScope *scope)
{
	LsMapContext context = {matcher, scope};

	return map_columns_mutator(expr, &context);
}

/*
 * ls_match_tuple_desc: the row type of the matcher's columns.
 */
TupleDesc
ls_match_tuple_desc(const LsMatcher *matcher)
{
	TupleDesc desc = CreateTemplateTupleDesc(matcher->ncolumns);

	for (int i = 0; i < matcher->ncolumns; i++)
	{
		const LsMatchColumn *column = &matcher->columns[i];

		TupleDescInitEntry(desc, i + 1, column->name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(desc, i + 1, column->collation);
	}
	return desc;
}

/* LsRowMap: where a row type has the matcher's columns. */
struct LsRowMap
{
	TupleTableSlot *slot;
	AttrNumber last; /* the rightmost column that is needed */
	AttrNumber attnos[FLEXIBLE_ARRAY_MEMBER];
};

static AttrNumber
find_attribute(const LsMatchColumn *column, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || strcmp(NameStr(att->attname), column->name) != 0)
			continue;
		if (att->atttypid == column->type)
			return i + 1;
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of the row has type %s, but the model's conditions "
					   "were read for type %s",
					   column->name,
					   format_type_be(att->atttypid),
					   format_type_be(column->type)),
				errhint("Pass a row of the model's own relation, or one with the same "
						"column types."));
	}
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			errmsg("the row has no column \"%s\", which the model's conditions need",
				   column->name),
			errhint("Pass a row of the model's own relation, or one with the same column "
					"names."));
	return InvalidAttrNumber;
}

/*
 * ls_match_map_row: how to read rows of this type. All columns must be of the
 * scope's first relation.
 *
 * Memory: the current context; the descriptor is copied.
 */
LsRowMap *
ls_match_map_row(const LsMatcher *matcher, TupleDesc desc)
{
	LsRowMap *map = palloc0(offsetof(LsRowMap, attnos) +
							sizeof(AttrNumber) * Max(matcher->ncolumns, 1));

	for (int i = 0; i < matcher->ncolumns; i++)
	{
		map->attnos[i] = find_attribute(&matcher->columns[i], desc);
		map->last = Max(map->last, map->attnos[i]);
	}
	/* With constraints: defaults of columns added later are among them. */
	map->slot =
		MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(desc), &TTSOpsHeapTuple);
	return map;
}

/*
 * ls_match_load_row: make the tuple the matcher's row. It must stay where it is
 * until the row was matched.
 */
void
ls_match_load_row(LsMatcher *matcher, LsRowMap *map, HeapTuple tuple)
{
	TupleTableSlot *row = matcher->row;

	if (matcher->ncolumns == 0)
		return;
	ExecStoreHeapTuple(tuple, map->slot, false);
	slot_getsomeattrs(map->slot, map->last);
	for (int i = 0; i < matcher->ncolumns; i++)
	{
		int at = map->attnos[i] - 1;

		row->tts_values[i] = map->slot->tts_values[at];
		row->tts_isnull[i] = map->slot->tts_isnull[at];
	}
}

/*
 * ls_match_load_values: make the values of all columns that the map was made
 * for the matcher's row. They must stay until the row was matched.
 */
void
ls_match_load_values(LsMatcher *matcher,
					 const LsRowMap *map,
					 const NullableDatum *values)
{
	TupleTableSlot *row = matcher->row;

	for (int i = 0; i < matcher->ncolumns; i++)
	{
		const NullableDatum *value = &values[map->attnos[i] - 1];

		row->tts_values[i] = value->value;
		row->tts_isnull[i] = value->isnull;
	}
}

/*
 * ls_match_same_columns: are all columns that matter the same, byte by byte?
 */
bool
ls_match_same_columns(const LsMatcher *matcher,
					  LsRowMap *map,
					  HeapTuple old_tuple,
					  HeapTuple new_tuple)
{
	TupleDesc desc = map->slot->tts_tupleDescriptor;

	for (int i = 0; i < matcher->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, map->attnos[i] - 1);
		bool old_null;
		bool new_null;
		Datum old_value = heap_getattr(old_tuple, map->attnos[i], desc, &old_null);
		Datum new_value = heap_getattr(new_tuple, map->attnos[i], desc, &new_null);

		if (old_null != new_null)
			return false;
		if (!old_null &&
			!datum_image_eq(old_value, new_value, att->attbyval, att->attlen))
			return false;
	}
	return true;
}
