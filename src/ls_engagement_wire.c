/*
 * ls_engagement_wire.c: accumulators on their way from one process of a query to
 * another: a head, the model's name, and the cells as they are.
 */
#include "ls_engagement.h"

#include "ls_compat.h"
#include "ls_engagement_cells.h"

#include "utils/memutils.h"

/* LsWire: the head. */
typedef struct LsWire
{
	uint64 fingerprint;
	int64 as_of_us; /* these as in LsFrame */
	int64 from_us;
	int64 until_us;
	int64 last_activity_us;
	uint32 n;
	bool has_earlier_activity;
	uint8 name_length;
} LsWire;

/*
 * ls_accumulator_send: as bytes that ls_accumulator_receive understands, in
 * another process of the same server.
 */
bytea *
ls_accumulator_send(const LsAccumulator *acc)
{
	const LsEngagement *engagement = acc->frame->engagement;
	const char *name = engagement->model->row->name;
	LsWire wire = {engagement->fingerprint,
				   acc->frame->as_of_us,
				   acc->frame->from_us,
				   acc->frame->until_us,
				   acc->last_activity_us,
				   acc->n,
				   acc->has_earlier_activity,
				   (uint8) strlen(name)};
	Size cells = sizeof(LsCell) * (Size) acc->n;
	Size size = VARHDRSZ + sizeof(LsWire) + wire.name_length + cells;
	bytea *bytes;
	char *at;

	if (size > MaxAllocSize)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a contact has too many events for a parallel query"),
				errhint("Set max_parallel_workers_per_gather = 0."));
	bytes = palloc(size);
	SET_VARSIZE(bytes, size);
	at = VARDATA(bytes);
	memcpy(at, &wire, sizeof(LsWire));
	memcpy(at + sizeof(LsWire), name, wire.name_length);
	memcpy(at + sizeof(LsWire) + wire.name_length, acc->cells, cells);
	return bytes;
}

/* are_sound: nothing that a process of ours sends is not. */
static bool
are_sound(const LsAccumulator *acc)
{
	uint32 i = 0;

	while (i < acc->n)
	{
		uint64 head = acc->cells[i].head;
		uint32 track =
			ls_cell_is_long(head) ? ls_cell_long_track(head) : ls_cell_track(head);

		if (track >= (uint32) acc->frame->engagement->ntracks)
			return false;
		i += ls_cells_of(head);
	}
	return i == acc->n;
}

static void
refuse(void)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("malformed engagement state between parallel processes"),
			errhint("Set max_parallel_workers_per_gather = 0, and report it."));
}

/*
 * ls_accumulator_receive: of the model that it names.
 *
 * Errors: 40001 where the rules are others by now; XX001.
 */
LsAccumulator *
ls_accumulator_receive(FunctionCallInfo fcinfo, const bytea *bytes)
{
	Size size = VARSIZE_ANY_EXHDR(bytes);
	const char *at = VARDATA_ANY(bytes);
	LsWire wire;
	LsFrame frame;
	LsAccumulator *acc;

	if (size < sizeof(LsWire))
		refuse();
	/* A bytea may stand where it likes. */
	memcpy(&wire, at, sizeof(LsWire));
	if (wire.name_length > LS_STATE_MAX_NAME ||
		size != sizeof(LsWire) + wire.name_length + sizeof(LsCell) * (Size) wire.n)
		refuse();
	at += sizeof(LsWire);
	frame.engagement = ls_engagement_of_name(fcinfo, at, wire.name_length);
	frame.context = CurrentMemoryContext;
	frame.queue = NULL;
	frame.as_of_us = wire.as_of_us;
	frame.from_us = wire.from_us;
	frame.until_us = wire.until_us;
	acc = ls_accumulator_new_alone(&frame);
	if (acc->frame->engagement->fingerprint != wire.fingerprint)
		ls_engagement_refuse_change(acc->frame->engagement);
	if (wire.n > acc->cap)
		ls_accumulator_make_room(acc, wire.n);
	memcpy(acc->cells, at + wire.name_length, sizeof(LsCell) * (Size) wire.n);
	acc->n = wire.n;
	acc->last_activity_us = wire.last_activity_us;
	acc->has_earlier_activity = wire.has_earlier_activity;
	if (!are_sound(acc))
		refuse();
	return acc;
}

/*
 * ls_engagement_refuse_change: all states of a query are made by the same rules.
 *
 * Errors: 40001.
 */
void
ls_engagement_refuse_change(const LsEngagement *engagement)
{
	ereport(ERROR,
			errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			errmsg("rules of model \"%s\" changed while events were aggregated",
				   engagement->model->row->name),
			errhint("Run the query again."));
}
