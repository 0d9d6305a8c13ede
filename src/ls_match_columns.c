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
#include "access/sysattr.h"
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

/* LsMapColumn: a column of the matcher, and where rows have it. */
typedef struct LsMapColumn
{
	int column;
	AttrNumber attno;
} LsMapColumn;

/* LsRelationMap: where rows of one relation have the matcher's columns. */
typedef struct LsRelationMap
{
	TupleTableSlot *slot; /* NULL: there are no such rows */
	AttrNumber last;	  /* the rightmost column that is needed */
	int ncolumns;
	LsMapColumn *columns;
} LsRelationMap;

struct LsRowMap
{
	int nrelations;
	LsRelationMap relations[FLEXIBLE_ARRAY_MEMBER];
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
 * ls_match_uses: does some condition name a column of this relation?
 */
bool
ls_match_uses(const LsMatcher *matcher, int relno)
{
	for (int i = 0; i < matcher->ncolumns; i++)
		if (matcher->columns[i].relno == relno)
			return true;
	return false;
}

/* map_relation: desc NULL: all columns of the relation will be null. */
static void
map_relation(const LsMatcher *matcher, int relno, TupleDesc desc, LsRelationMap *map)
{
	map->columns = palloc(sizeof(LsMapColumn) * Max(matcher->ncolumns, 1));
	for (int i = 0; i < matcher->ncolumns; i++)
	{
		LsMapColumn *column = &map->columns[map->ncolumns];

		if (matcher->columns[i].relno != relno)
			continue;
		map->ncolumns++;
		column->column = i;
		if (desc == NULL)
			continue;
		column->attno = find_attribute(&matcher->columns[i], desc);
		map->last = Max(map->last, column->attno);
	}
	/* With constraints: defaults of columns added later are among them. */
	if (desc != NULL)
		map->slot =
			MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(desc), &TTSOpsHeapTuple);
}

/*
 * ls_match_map_rows: how to read rows of these types, one for each relation of
 * the scope. Of those that are missing or NULL there will be no rows.
 *
 * Memory: the current context; the descriptors are copied.
 */
LsRowMap *
ls_match_map_rows(const LsMatcher *matcher, const TupleDesc *descs, int n)
{
	int nrelations = Max(n, ls_match_last_relation(matcher));
	LsRowMap *map =
		palloc0(offsetof(LsRowMap, relations) + sizeof(LsRelationMap) * nrelations);

	map->nrelations = nrelations;
	for (int i = 0; i < nrelations; i++)
		map_relation(matcher, i + 1, i < n ? descs[i] : NULL, &map->relations[i]);
	return map;
}

/*
 * ls_match_map_row: the same for the scope's first relation alone.
 */
LsRowMap *
ls_match_map_row(const LsMatcher *matcher, TupleDesc desc)
{
	return ls_match_map_rows(matcher, &desc, 1);
}

static void
load_nulls(LsMatcher *matcher, const LsRelationMap *map)
{
	for (int i = 0; i < map->ncolumns; i++)
		matcher->row->tts_isnull[map->columns[i].column] = true;
}

static void
load_tuple(LsMatcher *matcher, const LsRelationMap *map, HeapTuple tuple)
{
	TupleTableSlot *row = matcher->row;

	ExecStoreHeapTuple(tuple, map->slot, false);
	slot_getsomeattrs(map->slot, map->last);
	for (int i = 0; i < map->ncolumns; i++)
	{
		int to = map->columns[i].column;
		int at = map->columns[i].attno - 1;

		row->tts_values[to] = map->slot->tts_values[at];
		row->tts_isnull[to] = map->slot->tts_isnull[at];
	}
}

/*
 * ls_match_load_rows: make these tuples the matcher's row, from the relation
 * `first` on, one for each that the map was made for; where one is NULL, all its
 * columns are null. They must stay where they are until the row was matched.
 */
void
ls_match_load_rows(LsMatcher *matcher,
				   LsRowMap *map,
				   int first,
				   const HeapTuple *tuples)
{
	for (int i = first - 1; i < map->nrelations; i++)
	{
		const LsRelationMap *relation = &map->relations[i];

		if (relation->ncolumns == 0)
			continue;
		if (relation->slot == NULL || tuples[i - first + 1] == NULL)
			load_nulls(matcher, relation);
		else
			load_tuple(matcher, relation, tuples[i - first + 1]);
	}
}

/*
 * ls_match_load_row: the same for the scope's first relation alone.
 */
void
ls_match_load_row(LsMatcher *matcher, LsRowMap *map, HeapTuple tuple)
{
	ls_match_load_rows(matcher, map, 1, &tuple);
}

/*
 * ls_match_load_values: make these the columns of the scope's first relation.
 * They must stay until the row was matched.
 */
void
ls_match_load_values(LsMatcher *matcher,
					 const LsRowMap *map,
					 const NullableDatum *values)
{
	const LsMapColumn *column = map->relations[0].columns;
	const LsMapColumn *end = column + map->relations[0].ncolumns;
	LsMatchRow hand = matcher->hand;

	for (; column < end; column++)
	{
		const NullableDatum *value = &values[column->attno - 1];

		hand.values[column->column] = value->value;
		hand.nulls[column->column] = value->isnull;
	}
}

/*
 * ls_match_load_columns: the same, of arrays.
 */
void
ls_match_load_columns(LsMatcher *matcher,
					  const LsRowMap *map,
					  const Datum *values,
					  const bool *nulls)
{
	const LsMapColumn *column = map->relations[0].columns;
	const LsMapColumn *end = column + map->relations[0].ncolumns;
	LsMatchRow hand = matcher->hand;

	for (; column < end; column++)
	{
		hand.values[column->column] = values[column->attno - 1];
		hand.nulls[column->column] = nulls[column->attno - 1];
	}
}

/*
 * ls_match_last_column: of the scope's first relation, that the matcher reads.
 */
int
ls_match_last_column(const LsRowMap *map)
{
	return map->relations[0].last;
}

/*
 * ls_match_last_relation: the last relation of the scope that some condition
 * looks at.
 */
int
ls_match_last_relation(const LsMatcher *matcher)
{
	int max = 0;

	for (int i = 0; i < matcher->ncolumns; i++)
		max = Max(max, matcher->columns[i].relno);
	return max;
}

/*
 * ls_match_add_columns: to a set, those of a relation that matter, as a trigger is told
 * which columns an update names.
 */
Bitmapset *
ls_match_add_columns(const LsRowMap *map, int relno, Bitmapset *columns)
{
	const LsRelationMap *relation = &map->relations[relno - 1];

	for (int i = 0; relno <= map->nrelations && i < relation->ncolumns; i++)
		columns = bms_add_member(columns,
								 relation->columns[i].attno -
									 FirstLowInvalidHeapAttributeNumber);
	return columns;
}

/*
 * ls_match_same_columns: do two rows of a relation agree in all columns that
 * matter, byte by byte?
 */
bool
ls_match_same_columns(const LsRowMap *map,
					  int relno,
					  HeapTuple old_tuple,
					  HeapTuple new_tuple)
{
	const LsRelationMap *relation;
	TupleDesc desc;

	if (relno > map->nrelations || map->relations[relno - 1].ncolumns == 0)
		return true;
	relation = &map->relations[relno - 1];
	desc = relation->slot->tts_tupleDescriptor;
	for (int i = 0; i < relation->ncolumns; i++)
	{
		AttrNumber attno = relation->columns[i].attno;
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
		bool old_null;
		bool new_null;
		Datum old_value = heap_getattr(old_tuple, attno, desc, &old_null);
		Datum new_value = heap_getattr(new_tuple, attno, desc, &new_null);

		if (old_null != new_null)
			return false;
		if (!old_null &&
			!datum_image_eq(old_value, new_value, att->attbyval, att->attlen))
			return false;
	}
	return true;
}
