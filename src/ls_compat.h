/*
 * ls_compat.h: what differs between PostgreSQL 15 and 18.
 *
 * The only file that mentions PG_VERSION_NUM.
 */
#ifndef LS_COMPAT_H
#define LS_COMPAT_H

#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "nodes/primnodes.h"
#include "utils/acl.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#if PG_VERSION_NUM < 150000
#error "lead_scoring needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 160000
#define ls_may_use_schema(nspid, roleid)                                               \
	(object_aclcheck(NamespaceRelationId, (nspid), (roleid), ACL_USAGE) == ACLCHECK_OK)
#define ls_may_create_in_schema(nspid, roleid)                                         \
	(object_aclcheck(NamespaceRelationId, (nspid), (roleid), ACL_CREATE) == ACLCHECK_OK)
#else
#define ls_may_use_schema(nspid, roleid)                                               \
	(pg_namespace_aclcheck((nspid), (roleid), ACL_USAGE) == ACLCHECK_OK)
#define ls_may_create_in_schema(nspid, roleid)                                         \
	(pg_namespace_aclcheck((nspid), (roleid), ACL_CREATE) == ACLCHECK_OK)
#endif

#if PG_VERSION_NUM >= 160000
#define ls_may_execute(funcid, roleid)                                                 \
	(object_aclcheck(ProcedureRelationId, (funcid), (roleid), ACL_EXECUTE) ==          \
	 ACLCHECK_OK)
#else
#define ls_may_execute(funcid, roleid)                                                 \
	(pg_proc_aclcheck((funcid), (roleid), ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* What is grouped by: without what says the same twice, since 16. */
#if PG_VERSION_NUM >= 160000
#define ls_group_clause(root) ((root)->processed_groupClause)
#else
#define ls_group_clause(root) ((root)->parse->groupClause)
#endif

/* Room for what is put before it, since 18. */
#if PG_VERSION_NUM >= 180000
#define ls_copy_minimal_tuple(tuple) heap_copy_minimal_tuple((tuple), 0)
#else
#define ls_copy_minimal_tuple(tuple) heap_copy_minimal_tuple(tuple)
#endif

/* Disabled nodes are counted since 18. */
#if PG_VERSION_NUM >= 180000
#define ls_cost_hashagg(path, root, costs, ngroups, quals, input)                      \
	cost_agg((path),                                                                   \
			 (root),                                                                   \
			 AGG_HASHED,                                                               \
			 (costs),                                                                  \
			 1,                                                                        \
			 (ngroups),                                                                \
			 (quals),                                                                  \
			 (input)->disabled_nodes,                                                  \
			 (input)->startup_cost,                                                    \
			 (input)->total_cost,                                                      \
			 (input)->rows,                                                            \
			 (input)->pathtarget->width)
#else
#define ls_cost_hashagg(path, root, costs, ngroups, quals, input)                      \
	cost_agg((path),                                                                   \
			 (root),                                                                   \
			 AGG_HASHED,                                                               \
			 (costs),                                                                  \
			 1,                                                                        \
			 (ngroups),                                                                \
			 (quals),                                                                  \
			 (input)->startup_cost,                                                    \
			 (input)->total_cost,                                                      \
			 (input)->rows,                                                            \
			 (input)->pathtarget->width)
#endif

/* Virtual generated columns came with 18: their value is not in the tuple. */
#if PG_VERSION_NUM >= 180000
#define ls_is_virtual(attgenerated) ((attgenerated) == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define ls_is_virtual(attgenerated) ((void) (attgenerated), false)
#endif

/* A scan counts its searches from 18 on. */
#if PG_VERSION_NUM >= 180000
#define ls_index_beginscan(heap, index, snapshot, nkeys)                               \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#define ls_has_generated(constr)                                                       \
	((constr)->has_generated_stored || (constr)->has_generated_virtual)
#else
#define ls_index_beginscan(heap, index, snapshot, nkeys)                               \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#define ls_has_generated(constr) ((constr)->has_generated_stored)
#endif

/* The sequence of an identity column. */
#if PG_VERSION_NUM >= 170000
#define ls_identity_sequence(rel, attno) getIdentitySequence((rel), (attno), true)
#else
#define ls_identity_sequence(rel, attno)                                               \
	getIdentitySequence(RelationGetRelid(rel), (attno), true)
#endif

/* Which indexes must know of an updated row: none or all, or since 16 just summaries.
 */
#if PG_VERSION_NUM >= 160000
#define LsIndexUpdate TU_UpdateIndexes
#define ls_must_update_indexes(indexes) ((indexes) == TU_All)
#else
#define LsIndexUpdate bool
#define ls_must_update_indexes(indexes) (indexes)
#endif

/* How many transactions have ended so far: what all backends share has a new name. */
#if PG_VERSION_NUM >= 170000
#define ls_transactions_completed() (TransamVariables->xactCompletionCount)
#else
#define ls_transactions_completed() (ShmemVariableCache->xactCompletionCount)
#endif

/* A primary key may be deferrable since 18: such a one is not wanted. */
#if PG_VERSION_NUM >= 180000
#define ls_primary_key_index(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define ls_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* RETURNING learnt of rows before and after a change with 18. */
#if PG_VERSION_NUM >= 180000
#define ls_is_of_returning(var) ((var)->varreturningtype != VAR_RETURNING_DEFAULT)
#define ls_expand_rte(rte, varno, level, names, vars)                                  \
	expandRTE((rte),                                                                   \
			  (varno),                                                                 \
			  (level),                                                                 \
			  VAR_RETURNING_DEFAULT,                                                   \
			  -1,                                                                      \
			  false,                                                                   \
			  (names),                                                                 \
			  (vars))
#else
#define ls_is_of_returning(var) false
#define ls_expand_rte(rte, varno, level, names, vars)                                  \
	expandRTE((rte), (varno), (level), -1, false, (names), (vars))
#endif

/* Variables say since 16 which outer joins may have made them null. */
#if PG_VERSION_NUM >= 160000
#define ls_take_nullingrels(var, from) ((var)->varnullingrels = (from)->varnullingrels)
#else
#define ls_take_nullingrels(var, from) ((void) (from))
#endif

/* The number that a backend gives its transaction. */
#if PG_VERSION_NUM >= 170000
#define ls_local_transaction() (MyProc->vxid.lxid)
#else
#define ls_local_transaction() (MyProc->lxid)
#endif

/* Memory that will be needed soon. */
#ifdef __GNUC__
#define ls_prefetch(address) __builtin_prefetch(address)
#else
#define ls_prefetch(address) ((void) (address))
#endif

/* A setting's own memory: PostgreSQL frees it with guc_free (16) or free (15). */
#if PG_VERSION_NUM >= 160000
#define ls_guc_malloc(size) guc_malloc(LOG, (size))
#define ls_guc_free(pointer) guc_free(pointer)
#else
#define ls_guc_malloc(size) malloc(size)
#define ls_guc_free(pointer) free(pointer)
#endif

/* The ways to compare that an operator stands for, of all index methods since 18. */
#if PG_VERSION_NUM >= 180000
#define ls_op_interpretation(opno) get_op_index_interpretation(opno)
#else
#define ls_op_interpretation(opno) get_op_btree_interpretation(opno)
#endif

/* LIKE learnt nondeterministic collations with 18; ILIKE and ~ raise per row. */
#if PG_VERSION_NUM >= 180000
#define ls_needs_deterministic(opname)                                                 \
	(strcmp((opname), "~~") != 0 && strcmp((opname), "!~~") != 0)
#else
#define ls_needs_deterministic(opname) true
#endif

/* JSON_OBJECT and the like came with 16, JSON_VALUE and the like with 17. */
#if PG_VERSION_NUM >= 160000
#define ls_is_json_constructor(node) IsA((node), JsonConstructorExpr)
#else
#define ls_is_json_constructor(node) false
#endif
#if PG_VERSION_NUM >= 170000
#define ls_is_json_query(node) IsA((node), JsonExpr)
#define ls_json_path(node) (((JsonExpr *) (node))->path_spec)
#define ls_json_gives(behavior)                                                        \
	((behavior) != NULL && (behavior)->btype != JSON_BEHAVIOR_NULL &&                  \
	 (behavior)->btype != JSON_BEHAVIOR_FALSE &&                                       \
	 (behavior)->btype != JSON_BEHAVIOR_ERROR)
#define ls_json_has_default(node)                                                      \
	(ls_json_gives(((JsonExpr *) (node))->on_empty) ||                                 \
	 ls_json_gives(((JsonExpr *) (node))->on_error))
#else
#define ls_is_json_query(node) false
#define ls_json_path(node) NULL
#define ls_json_has_default(node) false
#endif

#endif /* LS_COMPAT_H */
