/*
 * ls_engagement_source.c: an event source, compiled: its condition, and the
 * conditions of all rules that look at it, each with what it feeds.
 */
#include "ls_engagement_model.h"

#include "ls_compat.h"
#include "ls_error.h"
#include "ls_guard.h"
#include "ls_relation.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* LsSourceBuild: what compiling a source carries. */
typedef struct LsSourceBuild
{
	const LsModel *model;
	MemoryContext context; /* of the result */
	const LsSourceRow *row;
	LsEventSource *source;
	LsCondScope *scope;
	List *conditions; /* texts; their place is the condition's number */
	List *rules;	  /* of LsMatchRule */
	List *feeds;	  /* of List of LsFeed, by condition */
	List *always;	  /* of LsFeed */
	List *texts;	  /* of value expressions; NULL for the two that come first */
	List *values;	  /* of LsMatchValue */
	List *hashes;	  /* of LsHash, NULL for those that are not told apart */
} LsSourceBuild;

static Node *
read_expression(LsSourceBuild *build, const char *rule, const char *text, Oid type)
{
	LsPlace place = {.kind = rule != NULL ? "engagement rule" : "event source",
					 .name = rule != NULL ? rule : build->row->name,
					 .model = build->model->row->name,
					 .text = text};
	LsCond *cond;

	ls_error_push_place(&place);
	cond = ls_cond_read(build->scope, text, type);
	ls_error_pop_place(&place);
	return cond->expr;
}

static int
find_text(List *texts, const char *text)
{
	ListCell *cell;

	foreach(cell, texts)
		if (lfirst(cell) != NULL && strcmp(lfirst(cell), text) == 0)
			return foreach_current_index(cell);
	return -1;
}

static LsHash *
make_hash(LsSourceBuild *build, Node *expr)
{
	LsHash *hash = MemoryContextAllocZero(build->context, sizeof(LsHash));
	TypeCacheEntry *type =
		lookup_type_cache(exprType(expr), TYPECACHE_HASH_EXTENDED_PROC_FINFO);

	if (!OidIsValid(type->hash_extended_proc))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_FUNCTION),
				errmsg("values of type %s cannot be told apart by hashing",
					   format_type_be(exprType(expr))),
				errhint("Cast the expression to text."));
	hash->function = MemoryContextAllocZero(build->context, sizeof(FmgrInfo));
	fmgr_info_cxt(type->hash_extended_proc, hash->function, build->context);
	hash->collation = exprCollation(expr);
	return hash;
}

/* add_value: the number of an expression's value; -1 for no expression. */
static int
add_value(LsSourceBuild *build, const char *rule, const char *text, bool is_number)
{
	LsMatchValue *value;
	char *key;
	int number;

	if (text == NULL)
		return -1;
	key = psprintf("%d%s", is_number, text);
	number = find_text(build->texts, key);
	if (number >= 0)
		return number;
	value = palloc0(sizeof(LsMatchValue));
	value->name = rule;
	value->expr =
		read_expression(build, rule, text, is_number ? FLOAT8OID : InvalidOid);
	build->texts = lappend(build->texts, key);
	build->values = lappend(build->values, value);
	build->hashes =
		lappend(build->hashes, is_number ? NULL : make_hash(build, value->expr));
	return list_length(build->texts) - 1;
}

/* add_feed: under its condition. */
static void
add_feed(LsSourceBuild *build, const LsDraftFeed *draft, int track, bool is_sum)
{
	LsFeed *feed = palloc0(sizeof(LsFeed));
	const char *condition = draft->condition;
	ListCell *list;
	int number;

	feed->track = track;
	feed->is_sum = is_sum;
	feed->what = draft->what;
	feed->counts_from = draft->counts_from;
	feed->counts_until = draft->counts_until;
	feed->distinct = add_value(build, draft->rule, draft->distinct_by, false);
	feed->value = add_value(build, draft->rule, draft->value, true);
	if (condition == NULL)
	{
		build->always = lappend(build->always, feed);
		return;
	}
	number = find_text(build->conditions, condition);
	if (number < 0)
	{
		LsMatchRule *rule = palloc0(sizeof(LsMatchRule));

		rule->name = draft->rule != NULL ? draft->rule : build->row->name;
		rule->expr = read_expression(build, draft->rule, condition, BOOLOID);
		build->rules = lappend(build->rules, rule);
		build->conditions = lappend(build->conditions, (void *) condition);
		build->feeds = lappend(build->feeds, NIL);
		number = list_length(build->conditions) - 1;
	}
	list = list_nth_cell(build->feeds, number);
	lfirst(list) = lappend(lfirst(list), feed);
}

static Var *
event_column(Oid relid, const char *column)
{
	AttrNumber attno = ls_relation_column(relid, column);
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	return makeVar(1, attno, type, typmod, collation, 0);
}

/*
 * ls_engagement_moment: a value as a moment, in that time zone if it has none;
 * NULL where it is none.
 */
Node *
ls_engagement_moment(Node *expr, const char *zone)
{
	Oid type = getBaseType(exprType(expr));

	if (type == TIMESTAMPTZOID)
		return expr;
	if (type == DATEOID)
		expr = (Node *) makeFuncExpr(F_TIMESTAMP_DATE,
									 TIMESTAMPOID,
									 list_make1(expr),
									 InvalidOid,
									 InvalidOid,
									 COERCE_EXPLICIT_CALL);
	else if (type != TIMESTAMPOID)
		return NULL;
	return (Node *) makeFuncExpr(F_TIMEZONE_TEXT_TIMESTAMP,
								 TIMESTAMPTZOID,
								 list_make2(makeConst(TEXTOID,
													  -1,
													  DEFAULT_COLLATION_OID,
													  -1,
													  CStringGetTextDatum(zone),
													  false,
													  false),
											expr),
								 InvalidOid,
								 DEFAULT_COLLATION_OID,
								 COERCE_EXPLICIT_CALL);
}

/*
 * ls_engagement_occurred_at: when an event of the source happened, as a moment.
 */
Node *
ls_engagement_occurred_at(const LsModelRow *model, const LsSourceRow *row, Oid relid)
{
	Var *column = event_column(relid, row->occurred_at);
	Node *moment = ls_engagement_moment((Node *) column,
										row->time_zone != NULL ? row->time_zone
															   : model->time_zone);

	if (moment == NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of event source \"%s\" has type %s",
					   row->occurred_at,
					   row->name,
					   format_type_be(column->vartype)),
				errhint("Use a column of type timestamptz, timestamp or date."));
	return moment;
}

static void
add_fixed_value(LsSourceBuild *build, Node *expr)
{
	LsMatchValue *value = palloc0(sizeof(LsMatchValue));

	value->expr = expr;
	build->values = lappend(build->values, value);
	build->texts = lappend(build->texts, NULL);
	build->hashes = lappend(build->hashes, NULL);
}

static void
open_source(LsSourceBuild *build)
{
	const LsSourceRow *row = build->row;
	Oid relid = ls_relation_by_name(row->relation);

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation %s of event source \"%s\" does not exist",
					   row->relation,
					   row->name),
				errhint("Correct it in lead_scoring.event_source."));
	ls_model_watch(relid);
	build->source->name = row->name;
	build->source->relid = relid;
	build->scope = ls_model_event_scope(build->model->row, build->model->relid, relid);
	add_fixed_value(build, ls_engagement_occurred_at(build->model->row, row, relid));
	add_fixed_value(build, (Node *) event_column(relid, row->contact_id));
}

static LsFeeds
keep_feeds(const LsSourceBuild *build, List *feeds)
{
	LsFeeds kept = {list_length(feeds), NULL};
	ListCell *cell;

	kept.items = MemoryContextAlloc(build->context, sizeof(LsFeed) * (kept.n + 1));
	foreach(cell, feeds)
		kept.items[foreach_current_index(cell)] = *(LsFeed *) lfirst(cell);
	return kept;
}

/* compile_matcher: in a context of its own, below the result's. */
static LsMatcher *
compile_matcher(LsSourceBuild *build, List *rules, List *values, const char *kind)
{
	MemoryContext own = AllocSetContextCreate(build->context,
											  "lead_scoring matcher",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	LsMatcher *matcher;
	LsGuard guard;

	ls_guard_enter_reading(&guard, build->scope->owner, LS_SAFE_PATH);
	matcher = ls_match_compile_values(rules,
									  values,
									  build->scope,
									  LS_MATCH_LIST,
									  1,
									  kind,
									  build->model->row->name);
	ls_guard_leave(&guard);
	MemoryContextSwitchTo(old);
	return matcher;
}

static void
compile_gate(LsSourceBuild *build)
{
	LsMatchRule rule = {.name = build->row->name};

	if (build->row->condition == NULL)
		return;
	rule.expr = read_expression(build, NULL, build->row->condition, BOOLOID);
	build->source->gate =
		compile_matcher(build, list_make1(&rule), NIL, "event source");
}

static void
finish_source(LsSourceBuild *build)
{
	LsEventSource *source = build->source;
	ListCell *cell;

	compile_gate(build);
	source->matcher =
		compile_matcher(build, build->rules, build->values, "engagement rule");
	source->occurred_at = ls_match_value_column(source->matcher, LS_EVENT_OCCURRED_AT);
	source->contact_id = ls_match_value_column(source->matcher, LS_EVENT_CONTACT_ID);
	source->always = keep_feeds(build, build->always);
	source->feeds =
		MemoryContextAlloc(build->context,
						   sizeof(LsFeeds) * (list_length(build->feeds) + 1));
	foreach(cell, build->feeds)
		source->feeds[foreach_current_index(cell)] = keep_feeds(build, lfirst(cell));
	source->hashes =
		MemoryContextAllocZero(build->context,
							   sizeof(LsHash) * list_length(build->hashes));
	foreach(cell, build->hashes)
		if (lfirst(cell) != NULL)
			source->hashes[foreach_current_index(cell)] = *(LsHash *) lfirst(cell);
}

/*
 * ls_engagement_compile_source: what the drafts (LsDraft) want of its events.
 * Trees of expressions are in the current context, the result in `context`.
 *
 * Errors: as for ls_engagement_get.
 */
void
ls_engagement_compile_source(const LsModel *model,
							 MemoryContext context,
							 const LsSourceRow *row,
							 List *drafts,
							 LsEventSource *source)
{
	LsSourceBuild build = {.model = model,
						   .context = context,
						   .row = row,
						   .source = source};
	LsDraftFeed activity = {.source = row,
							.condition = row->activity,
							.counts_from = DT_NOBEGIN,
							.counts_until = DT_NOEND};
	ListCell *cell;
	ListCell *feed;

	open_source(&build);
	add_feed(&build, &activity, -1, false);
	foreach(cell, drafts)
	{
		const LsDraft *draft = lfirst(cell);

		foreach(feed, draft->feeds)
			if (((LsDraftFeed *) lfirst(feed))->source == row)
				add_feed(&build,
						 lfirst(feed),
						 foreach_current_index(cell),
						 draft->track.kind == LS_TRACK_SUM);
	}
	finish_source(&build);
}

/*
 * ls_engagement_source: the source of that name; NULL = the model's only one.
 *
 * Errors: 42704; 42P08 where it is not clear which.
 */
LsEventSource *
ls_engagement_source(LsModel *model, const char *name)
{
	LsEngagement *engagement = ls_engagement_get(model);

	if (name == NULL && engagement->nsources == 1)
		return &engagement->sources[0];
	for (int i = 0; name != NULL && i < engagement->nsources; i++)
		if (strcmp(engagement->sources[i].name, name) == 0)
			return &engagement->sources[i];
	if (name == NULL && engagement->nsources > 1)
		ereport(ERROR,
				errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				errmsg("model \"%s\" has %d event sources",
					   model->row->name,
					   engagement->nsources),
				errhint("Name one: engagement_agg(event, model, source)."));
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			name != NULL ? errmsg("model \"%s\" has no event source \"%s\"",
								  model->row->name,
								  name)
						 : errmsg("model \"%s\" has no event source",
								  model->row->name),
			errhint("Make one with lead_scoring.add_event_source()."));
	return NULL;
}
