/*
 * ls_objects.c: the tables of a live model, and SQL on them as their owner.
 */
#include "ls_objects.h"

#include "ls_compat.h"
#include "ls_key.h"
#include "ls_relation.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi_priv.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"

/*
 * ls_objects_name: a per-model table or view, quoted and qualified.
 */
char *
ls_objects_name(const LsModelRow *row, const char *suffix)
{
	return quote_qualified_identifier(row->objects_schema,
									  psprintf("%s_%s", row->name, suffix));
}

/* Tables that upkeep writes or reads at commit. */
static const char *const upkeep_tables[] = {"score",
											"queue",
											"stage_history",
											"score_history",
											"outbox",
											"delivery",
											"adjustment",
											"score_daily"};

/*
 * ls_objects_relid: a per-model table or view; InvalidOid where there is none.
 */
Oid
ls_objects_relid(const LsModelRow *row, const char *suffix)
{
	Oid schema = row->objects_schema == NULL
					 ? InvalidOid
					 : get_namespace_oid(row->objects_schema, true);

	return OidIsValid(schema)
			   ? get_relname_relid(psprintf("%s_%s", row->name, suffix), schema)
			   : InvalidOid;
}

/* table_problem: why upkeep may not use the table; NULL where it may. */
static const char *
table_problem(const LsModelRow *row, const char *suffix, Oid owner)
{
	Oid relid = ls_objects_relid(row, suffix);

	if (!OidIsValid(relid))
		return psprintf("table %s is gone", ls_objects_name(row, suffix));
	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return psprintf("%s is not a table", ls_objects_name(row, suffix));
	if (ls_relation_owner(relid) != owner)
		return psprintf("table %s has another owner than the contacts",
						ls_objects_name(row, suffix));
	return NULL;
}

/*
 * ls_objects_usable: may upkeep write? Its tables must be there and belong to
 * the role that owns the contacts, the one that activated the model.
 */
bool
ls_objects_usable(const LsModelRow *row, Oid contacts, const char **reason)
{
	Oid owner = ls_relation_owner(contacts);

	*reason = NULL;
	if (row->objects_schema == NULL)
		*reason = "the model is not active";
	else if (row->owner == NULL || get_role_oid(row->owner, true) != owner)
		*reason = "the contacts have another owner than at activation";
	else if (get_attnum(contacts, row->contact_id) <= 0)
		*reason = psprintf(
			"the contacts have no column \"%s\" any more (set contact_id in lead_scoring.model)",
			row->contact_id);
	for (int i = 0; i < lengthof(upkeep_tables) && *reason == NULL; i++)
		*reason = table_problem(row, upkeep_tables[i], owner);
	return *reason == NULL;
}

/*
 * ls_objects_watch: let ls_upkeep_generation count changes of the model's tables.
 */
void
ls_objects_watch(const LsModelRow *row)
{
	for (int i = 0; i < lengthof(upkeep_tables); i++)
		ls_model_watch_upkeep(ls_objects_relid(row, upkeep_tables[i]));
}

/*
 * ls_objects_of: what upkeep needs to know of the model. It need not compile.
 *
 * Memory: the current context.
 */
LsObjects *
ls_objects_of(const LsModelRow *row, Oid contacts)
{
	LsObjects *objects = palloc0(sizeof(LsObjects));
	AttrNumber key = ls_relation_column(contacts, row->contact_id);

	objects->model = pstrdup(row->name);
	objects->owner = ls_relation_owner(contacts);
	objects->contacts_relid = contacts;
	objects->key_type = ls_key_stored_type(getBaseType(get_atttype(contacts, key)));
	objects->contacts = ls_relation_name(contacts);
	objects->id = pstrdup(quote_identifier(row->contact_id));
	if (row->objects_schema != NULL)
	{
		objects->score = ls_objects_name(row, "score");
		objects->score_relid = ls_objects_relid(row, "score");
		objects->queue = ls_objects_name(row, "queue");
		objects->adjustment = ls_objects_name(row, "adjustment");
		objects->adjustment_relid = ls_objects_relid(row, "adjustment");
	}
	return objects;
}

/*
 * ls_objects_open: for the current role to do something with all of the model.
 *
 * Errors: 42704; 42501 where it does not own the contacts; 55000 where the model is
 * not active, or its tables are not as they should be.
 */
LsObjects *
ls_objects_open(const char *model, const char *to_do)
{
	LsModelRow *row = ls_catalog_model(model, false);
	Oid contacts = ls_relation_of_model(row, false);
	const char *problem;

	if (!ls_relation_may_change_model(row, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", model),
				errhint("Only who owns its contacts, or is a member of that role, may %s.",
						to_do));
	if (!ls_objects_usable(row, contacts, &problem))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("scores of model \"%s\" cannot be written: %s", model, problem),
				errhint("Call lead_scoring.activate(%s).", quote_literal_cstr(model)));
	return ls_objects_of(row, contacts);
}

/* LsKeptPlan: a plan is never used under another role than it was made for. */
typedef struct LsPlanKey
{
	Oid role;
	uint32 types; /* hash of the parameters' */
	uint32 hash;  /* of the statement */
} LsPlanKey;

typedef struct LsKeptPlan
{
	LsPlanKey key;
	char *sql;
	SPIPlanPtr plan;
	uint64 asked; /* when it was last asked for: a count of all times */
	LocalTransactionId transaction; /* by which transaction of this backend */
} LsKeptPlan;

#define MAX_KEPT_PLANS 512

static HTAB *kept_plans = NULL;
static uint64 times_asked = 0;

static SPIPlanPtr
prepare(const char *sql, int nargs, Oid *types)
{
	/* The arrays differ, the way to go does not: never plan per execution. */
	SPIPlanPtr plan = SPI_prepare_cursor(sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR,
			 "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	return plan;
}

/* is_in_use: perhaps; it may run, and have set off whoever asks now. */
static bool
is_in_use(const LsKeptPlan *kept)
{
	return kept->transaction == ls_local_transaction();
}

static void
forget(LsKeptPlan *kept)
{
	SPIPlanPtr plan = kept->plan;
	char *sql = kept->sql;

	hash_search(kept_plans, &kept->key, HASH_REMOVE, NULL);
	pfree(sql);
	SPI_freeplan(plan);
}

/* make_room: forget the plan that nobody has asked for the longest. */
static bool
make_room(void)
{
	HASH_SEQ_STATUS scan;
	LsKeptPlan *kept;
	LsKeptPlan *oldest = NULL;

	if (hash_get_num_entries(kept_plans) < MAX_KEPT_PLANS)
		return true;
	hash_seq_init(&scan, kept_plans);
	while ((kept = hash_seq_search(&scan)) != NULL)
		if (!is_in_use(kept) && (oldest == NULL || kept->asked < oldest->asked))
			oldest = kept;
	if (oldest == NULL)
		return false;
	forget(oldest);
	return true;
}

/* find_kept: the kept plan of the statement. Another one of this key gives way. */
static LsKeptPlan *
find_kept(const LsPlanKey *key, const char *sql)
{
	LsKeptPlan *kept = hash_search(kept_plans, key, HASH_FIND, NULL);

	if (kept != NULL && strcmp(kept->sql, sql) != 0 && !is_in_use(kept))
	{
		forget(kept);
		return NULL;
	}
	return kept;
}

static void
keep(const LsPlanKey *key, const char *sql, SPIPlanPtr plan)
{
	char *copy = MemoryContextStrdup(TopMemoryContext, sql);
	LsKeptPlan *kept;

	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	kept = hash_search(kept_plans, key, HASH_ENTER, NULL);
	kept->sql = copy;
	kept->plan = plan;
	kept->asked = ++times_asked;
	kept->transaction = ls_local_transaction();
}

/*
 * ls_objects_plan: the kept plan of the statement, for the current role; for use
 * inside this SPI connection, which no transaction outlives. A transaction with more
 * plans than are kept has the rest for their SPI connection only.
 */
SPIPlanPtr
ls_objects_plan(const char *sql, int nargs, Oid *types)
{
	LsPlanKey key = {GetUserId(),
					 hash_bytes((const unsigned char *) types, nargs * sizeof(Oid)),
					 string_hash(sql, strlen(sql) + 1)};
	HASHCTL control = {.keysize = sizeof(LsPlanKey), .entrysize = sizeof(LsKeptPlan)};
	LsKeptPlan *kept;
	SPIPlanPtr plan;

	if (kept_plans == NULL)
		kept_plans =
			hash_create("lead_scoring plans", 32, &control, HASH_ELEM | HASH_BLOBS);
	kept = find_kept(&key, sql);
	if (kept != NULL && strcmp(kept->sql, sql) == 0)
	{
		kept->asked = ++times_asked;
		kept->transaction = ls_local_transaction();
		return kept->plan;
	}
	plan = prepare(sql, nargs, types);
	if (kept == NULL && make_room())
		keep(&key, sql, plan);
	return plan;
}

/*
 * ls_objects_plan_now: plan it through indexes, which a table does not outgrow. Who
 * has too many plans to keep one more has it for this SPI connection.
 */
void
ls_objects_plan_now(SPIPlanPtr plan)
{
	int guc_level = NewGUCNestLevel();
	CachedPlan *planned;

	ls_guard_set("enable_seqscan", "off");
	planned = SPI_plan_get_cached_plan(plan);
	if (planned != NULL)
		ReleaseCachedPlan(planned, plan->saved ? CurrentResourceOwner : NULL);
	AtEOXact_GUC(true, guc_level);
}

/*
 * ls_objects_execute: run a statement of ours, with a snapshot of its own, from
 * a kept plan. Call it between ls_guard_enter as the owner and ls_guard_leave,
 * and inside SPI. Gives the number of rows; results are in SPI_tuptable.
 *
 * A plan that was made while a table was small, or never analyzed, is kept when
 * it has grown: so tables are read through their indexes wherever they have one.
 */
uint64
ls_objects_execute(const char *sql, int nargs, Oid *types, Datum *values)
{
	int guc_level = NewGUCNestLevel();
	int result;

	ls_guard_set("enable_seqscan", "off");
	result =
		SPI_execute_plan(ls_objects_plan(sql, nargs, types), values, NULL, false, 0);
	AtEOXact_GUC(true, guc_level);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * ls_objects_execute_once: the same for what looks through whole tables, and seldom:
 * it is planned for them as they are. A nested loop over what was thought to be
 * little, and is not, would never end.
 */
uint64
ls_objects_execute_once(const char *sql, int nargs, Oid *types, Datum *values)
{
	int guc_level = NewGUCNestLevel();
	int result;

	ls_guard_set("enable_nestloop", "off");
	ls_guard_set("jit", "off");
	result = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);
	AtEOXact_GUC(true, guc_level);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * ls_objects_script: the SQL that a function of ours, lead_scoring.<writer>,
 * writes for the model; NULL for nothing. Inside SPI, as the owner.
 */
char *
ls_objects_script(const char *writer, const char *model, bool read_only)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(model)};

	if (SPI_execute_with_args(psprintf("SELECT lead_scoring.%s($1)", writer),
							  1,
							  types,
							  values,
							  NULL,
							  read_only,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "%s failed", writer);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}
