/*
 * ls_engagement_node_parallel.c: the plan node Engagement Aggregate in parallel.
 *
 * Nearly every process of a parallel query meets nearly every contact, so to merge
 * what each has made of its events would take longer than to do without the others.
 * Instead the keys are divided into parts by their hashes, one for each process, and
 * what an event brings goes to whoever has its contact:
 *
 *     read events, match them      each process some of them (a partial plan)
 *         of its own part              into its table
 *         of other parts               into a shared file of that part
 *     wait for each other          nobody has given a row yet, so nobody has to wait
 *     the file of its own part     into its table; then its rows
 *     parts that nobody has        likewise, one after the other
 *
 * So it does not matter how many processes there are, nor who comes late: they find
 * that all events were read, and take a part that is left.
 */
#include "ls_engagement_node_state.h"

#include "ls_compat.h"

#include "access/parallel.h"
#include "optimizer/optimizer.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/sharedfileset.h"
#include "storage/spin.h"
#include "utils/sharedtuplestore.h"
#include "utils/wait_event.h"

/* What the barrier says: while events are read, one waits for those who read. */
#define PHASE_READING 0

/*
 * LsNodeShared: by all processes. Behind it: what the rules of each aggregate were, a
 * claim to each part, and its file.
 */
struct LsNodeShared
{
	dsm_handle segment;
	SharedFileSet files;
	Barrier barrier;
	int nparts;
	int nprocesses; /* at most */
	slock_t mutex;	/* of what follows */
	LsNodeUsage usage;
};

/*
 * LsSheet: items for a part, that go into its file together: so many that they and
 * its own head fill what a shared file writes at a time.
 */
#define SHEET_BYTES (4 * BLCKSZ - 128)

typedef struct LsSheet
{
	uint32 size; /* of all of it: a shared file looks at this, and nothing else */
	uint32 unused;
	char items[FLEXIBLE_ARRAY_MEMBER];
} LsSheet;

/* LsCourier: an item for somebody else, and what is to be sent. */
struct LsCourier
{
	LsItem item; /* at the beginning */
	LsNode *node;
	MemoryContext context;				  /* of files */
	int own;							  /* part; -1 = none */
	bool has_read;						  /* have the events been read? */
	struct SharedTuplestoreAccessor **to; /* by part */
	LsSheet **sheets;					  /* the same; NULL = none yet */
};

/* ---- shared memory ------------------------------------------------------- */

static Size
fingerprints_at(void)
{
	return MAXALIGN(sizeof(LsNodeShared));
}

static Size
claims_at(const LsNode *node)
{
	return fingerprints_at() + MAXALIGN(sizeof(uint64) * node->naggs);
}

static Size
files_at(const LsNode *node, int nparts)
{
	return claims_at(node) + MAXALIGN(sizeof(bool) * nparts);
}

/* fingerprints: of the rules, by aggregate; 0 = nobody has needed them yet. */
static uint64 *
fingerprints(const LsNode *node)
{
	return (uint64 *) ((char *) node->shared + fingerprints_at());
}

/* claims: by part. */
static bool *
claims(const LsNode *node)
{
	return (bool *) ((char *) node->shared + claims_at(node));
}

static SharedTuplestore *
file_of(const LsNode *node, int part)
{
	const LsNodeShared *shared = node->shared;

	return (SharedTuplestore *) ((char *) node->shared +
								 files_at(node, shared->nparts) +
								 MAXALIGN(sts_estimate(shared->nprocesses)) * part);
}

static int
count_parts(const ParallelContext *context)
{
	return context->nworkers + (parallel_leader_participation ? 1 : 0);
}

Size
ls_node_estimate_shared(CustomScanState *css, ParallelContext *context)
{
	int nparts = count_parts(context);

	return files_at((LsNode *) css, nparts) +
		   MAXALIGN(sts_estimate(context->nworkers + 1)) * nparts;
}

/* my_number: among the processes; the leader's is 0. */
static int
my_number(void)
{
	return IsParallelWorker() ? ParallelWorkerNumber + 1 : 0;
}

/* join: what a process needs. */
static void
join(LsNode *node, LsNodeShared *shared)
{
	MemoryContext old = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	LsCourier *courier = palloc0(sizeof(LsCourier));

	courier->node = node;
	courier->context = CurrentMemoryContext;
	courier->own = my_number() - (shared->nprocesses - shared->nparts);
	courier->to = palloc0(sizeof(*courier->to) * shared->nparts);
	courier->sheets = palloc0(sizeof(LsSheet *) * shared->nparts);
	node->courier = courier;
	node->shared = shared;
	node->nparts = shared->nparts;
	MemoryContextSwitchTo(old);
}

/* begin: no events were read. */
static void
begin(LsNode *node)
{
	LsNodeShared *shared = node->shared;
	MemoryContext old = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);

	BarrierInit(&shared->barrier, 0);
	memset(fingerprints(node), 0, sizeof(uint64) * node->naggs);
	memset(claims(node), 0, sizeof(bool) * shared->nparts);
	for (int i = 0; i < shared->nparts; i++)
	{
		char name[NAMEDATALEN];

		snprintf(name, sizeof(name), "part%d", i);
		node->courier->to[i] = sts_initialize(file_of(node, i),
											  shared->nprocesses,
											  my_number(),
											  0,
											  SHARED_TUPLESTORE_SINGLE_PASS,
											  &shared->files,
											  name);
	}
	MemoryContextSwitchTo(old);
}

void
ls_node_begin_shared(CustomScanState *css, ParallelContext *context, void *coordinate)
{
	LsNode *node = (LsNode *) css;
	LsNodeShared *shared = coordinate;

	/* There was no shared memory: the leader is alone. */
	if (context->seg == NULL)
		return;
	memset(shared, 0, sizeof(LsNodeShared));
	shared->segment = dsm_segment_handle(context->seg);
	shared->nparts = count_parts(context);
	shared->nprocesses = context->nworkers + 1;
	SpinLockInit(&shared->mutex);
	SharedFileSetInit(&shared->files, context->seg);
	join(node, shared);
	begin(node);
}

void
ls_node_again_shared(CustomScanState *css, ParallelContext *context, void *coordinate)
{
	LsNode *node = (LsNode *) css;
	LsNodeShared *shared = coordinate;

	if (context->seg == NULL)
		return;
	SharedFileSetDeleteAll(&shared->files);
	join(node, shared);
	begin(node);
}

void
ls_node_join_shared(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	LsNode *node = (LsNode *) css;
	LsNodeShared *shared = coordinate;
	MemoryContext old = MemoryContextSwitchTo(css->ss.ps.state->es_query_cxt);

	SharedFileSetAttach(&shared->files, dsm_find_mapping(shared->segment));
	join(node, shared);
	for (int i = 0; i < shared->nparts; i++)
		node->courier->to[i] =
			sts_attach(file_of(node, i), my_number(), &shared->files);
	MemoryContextSwitchTo(old);
}

/* ls_node_shut_down: shared memory goes. Take along what others have used. */
void
ls_node_shut_down(CustomScanState *css)
{
	LsNode *node = (LsNode *) css;
	LsNodeShared *shared = node->shared;

	if (shared == NULL)
		return;
	ls_node_forget_groups(node);
	SpinLockAcquire(&shared->mutex);
	shared->usage.ntables += node->usage.ntables;
	shared->usage.peak = Max(shared->usage.peak, node->usage.peak);
	shared->usage.written += node->usage.written;
	node->usage = shared->usage;
	SpinLockRelease(&shared->mutex);
	if (IsParallelWorker())
		node->usage = (LsNodeUsage){0};
	node->shared = NULL;
	node->courier = NULL;
	node->nparts = 1;
}

/* ---- rules ---------------------------------------------------------------- */

/*
 * ls_node_agree: all processes must go by the same rules.
 *
 * Errors: 40001.
 */
void
ls_node_agree(LsNode *node, int agg, const LsEngagement *engagement)
{
	uint64 theirs;

	SpinLockAcquire(&node->shared->mutex);
	if (fingerprints(node)[agg] == 0)
		fingerprints(node)[agg] = engagement->fingerprint;
	theirs = fingerprints(node)[agg];
	SpinLockRelease(&node->shared->mutex);
	if (theirs != engagement->fingerprint)
		ls_engagement_refuse_change(engagement);
}

/* make_ready: for items that others have sent. */
static void
make_ready(LsNode *node)
{
	for (int i = 0; i < node->naggs; i++)
		if (fingerprints(node)[i] != 0 && !node->aggs[i].is_ready)
			ls_node_make_ready(node, i);
}

/* ---- sending and fetching --------------------------------------------------- */

static void
send_full(LsParcel *parcel)
{
	LsItem *item = (LsItem *) parcel;

	ls_node_send(((LsCourier *) parcel)->node, item);
}

/*
 * ls_node_foreign_item: to be filled in and sent.
 */
LsItem *
ls_node_foreign_item(LsNode *node, const LsHashed *of)
{
	LsItem *item = &node->courier->item;

	item->parcel.acc = NULL;
	item->parcel.full = send_full;
	item->of = *of;
	return item;
}

/* send_sheet: in the context of the file that is opened. */
static void
send_sheet(LsCourier *courier, int part, LsSheet *sheet)
{
	MemoryContext old = MemoryContextSwitchTo(courier->context);

	sts_puttuple(courier->to[part], NULL, (MinimalTuple) sheet);
	MemoryContextSwitchTo(old);
}

/* new_sheet: an empty one, for at least so many bytes of items. */
static LsSheet *
new_sheet(LsCourier *courier, Size bytes)
{
	LsSheet *sheet =
		MemoryContextAlloc(courier->context, offsetof(LsSheet, items) + bytes);

	sheet->size = offsetof(LsSheet, items);
	return sheet;
}

/* send_alone: what is larger than a sheet. */
static void
send_alone(LsCourier *courier, int part, const LsItem *item)
{
	LsSheet *sheet = new_sheet(courier, ls_spill_max_size(item));

	sheet->size = (uint32) (ls_spill_pack(item, sheet->items) - (char *) sheet);
	send_sheet(courier, part, sheet);
	pfree(sheet);
}

/*
 * ls_node_send: to whoever will have the part.
 */
void
ls_node_send(LsNode *node, const LsItem *item)
{
	LsCourier *courier = node->courier;
	int part = ls_hash_part(item->of.hash, node->nparts);
	LsSheet *sheet = courier->sheets[part];
	Size size = ls_spill_max_size(item);

	if (unlikely(size > SHEET_BYTES - offsetof(LsSheet, items)))
	{
		send_alone(courier, part, item);
		return;
	}
	if (unlikely(sheet == NULL))
		sheet = courier->sheets[part] = new_sheet(courier, SHEET_BYTES);
	if (sheet->size + size > SHEET_BYTES)
	{
		send_sheet(courier, part, sheet);
		sheet->size = offsetof(LsSheet, items);
	}
	sheet->size =
		(uint32) (ls_spill_pack(item, (char *) sheet + sheet->size) - (char *) sheet);
}

/* send_rest: all that was not sent yet. */
static void
send_rest(LsNode *node)
{
	LsCourier *courier = node->courier;

	for (int part = 0; part < node->nparts; part++)
	{
		if (courier->sheets[part] != NULL)
		{
			send_sheet(courier, part, courier->sheets[part]);
			pfree(courier->sheets[part]);
			courier->sheets[part] = NULL;
		}
		sts_end_write(courier->to[part]);
	}
}

/* LsFetch: a part's file that is being read. */
typedef struct LsFetch
{
	struct SharedTuplestoreAccessor *from;
	MemoryContext context;
	const LsSheet *sheet; /* NULL = none yet */
	Size at;			  /* in the sheet */
} LsFetch;

static const void *
fetch_next(void *arg)
{
	LsFetch *fetch = arg;
	const void *item;

	if (fetch->sheet == NULL || fetch->at >= fetch->sheet->size)
	{
		MemoryContext old = MemoryContextSwitchTo(fetch->context);

		fetch->sheet = (const LsSheet *) sts_parallel_scan_next(fetch->from, NULL);
		fetch->at = offsetof(LsSheet, items);
		MemoryContextSwitchTo(old);
		if (fetch->sheet == NULL)
			return NULL;
	}
	item = (const char *) fetch->sheet + fetch->at;
	fetch->at += ls_spill_size(item);
	return item;
}

/* fetch: what others have sent for the part. */
static void
fetch(LsNode *node, int part)
{
	LsFetch fetch = {.from = node->courier->to[part],
					 .context = node->courier->context};

	make_ready(node);
	sts_begin_parallel_scan(fetch.from);
	ls_spill_unpack(node->groups, fetch_next, &fetch);
	sts_end_parallel_scan(fetch.from);
	ls_groups_finish(node->groups);
}

/* ---- parts ---------------------------------------------------------------- */

static bool
claim(LsNode *node, int part)
{
	bool is_free;

	SpinLockAcquire(&node->shared->mutex);
	is_free = !claims(node)[part];
	claims(node)[part] = true;
	SpinLockRelease(&node->shared->mutex);
	return is_free;
}

/* read_events: with the others. True where there is a part of ours then. */
static bool
read_events(LsNode *node)
{
	LsCourier *courier = node->courier;

	courier->has_read = true;
	if (BarrierAttach(&node->shared->barrier) != PHASE_READING)
	{
		BarrierDetach(&node->shared->barrier);
		return false;
	}
	node->part = courier->own;
	if (node->part >= 0)
		(void) claim(node, node->part);
	ls_node_begin_groups(node);
	ls_node_read_events(node);
	send_rest(node);
	BarrierArriveAndWait(&node->shared->barrier, PG_WAIT_EXTENSION);
	BarrierDetach(&node->shared->barrier);
	return node->part >= 0;
}

/*
 * ls_node_next_part: its groups; false = there is none left.
 */
bool
ls_node_next_part(LsNode *node)
{
	if (!node->courier->has_read && read_events(node))
	{
		fetch(node, node->part);
		return true;
	}
	for (int part = 0; part < node->nparts; part++)
		if (claim(node, part))
		{
			ls_node_forget_groups(node);
			ls_node_begin_groups(node);
			fetch(node, part);
			return true;
		}
	return false;
}
