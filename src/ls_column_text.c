/*
 * ls_column_text.c: column_text(row, column): a column by its name, so that views
 * need not name it and never stand in the way of ALTER TABLE.
 */
#include "postgres.h"

#include "ls_compat.h"
#include "ls_fit.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ls_sql_column_text);

/* LsColumnCall: where a row type has the column, and how it is written. */
typedef struct LsColumnCall
{
	uint64 row_type; /* 0 = none yet */
	AttrNumber attno;
	FmgrInfo output;
	NameData column;
} LsColumnCall;

static void
bind_column(FunctionCallInfo fcinfo, LsColumnCall *call, TupleDesc desc, Name column)
{
	call->attno = InvalidAttrNumber;
	call->column = *column;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Oid function;
		bool is_varlena;

		if (att->attisdropped || strcmp(NameStr(att->attname), NameStr(*column)) != 0)
			continue;
		getTypeOutputInfo(att->atttypid, &function, &is_varlena);
		fmgr_info_cxt(function, &call->output, fcinfo->flinfo->fn_mcxt);
		call->attno = att->attnum;
	}
}

static LsColumnCall *
column_call(FunctionCallInfo fcinfo)
{
	LsColumnCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LsColumnCall));
		fcinfo->flinfo->fn_extra = call;
	}
	return call;
}

/*
 * column_text(row record, column name) -> text: NULL where it has no such column
 */
Datum
ls_sql_column_text(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	Oid type = HeapTupleHeaderGetTypeId(header);
	int32 typmod = HeapTupleHeaderGetTypMod(header);
	Name column = PG_GETARG_NAME(1);
	LsColumnCall *call = column_call(fcinfo);
	uint64 row_type = assign_record_type_identifier(type, typmod);
	HeapTupleData row = ls_fit_tuple(header);
	TupleDesc desc = lookup_rowtype_tupdesc(type, typmod);
	bool is_null = true;
	Datum value = (Datum) 0;

	if (call->row_type != row_type ||
		strcmp(NameStr(call->column), NameStr(*column)) != 0)
	{
		bind_column(fcinfo, call, desc, column);
		call->row_type = row_type;
	}
	if (call->attno != InvalidAttrNumber)
		value = heap_getattr(&row, call->attno, desc, &is_null);
	ReleaseTupleDesc(desc);
	if (is_null)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(OutputFunctionCall(&call->output, value)));
}
