/*
 * ls_engagement_type.c: the type engagement: text and binary form, and the check
 * that stands before every use of a value.
 *
 * The binary form is the state field by field, in network byte order: version,
 * name, fingerprint, as_of, from, until, last activity, sections. The text form
 * is the same in hexadecimal digits.
 */
#include "ls_engagement.h"

#include "ls_compat.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ls_sql_engagement_in);
PG_FUNCTION_INFO_V1(ls_sql_engagement_out);
PG_FUNCTION_INFO_V1(ls_sql_engagement_recv);
PG_FUNCTION_INFO_V1(ls_sql_engagement_send);
PG_FUNCTION_INFO_V1(ls_sql_engagement_eq);
PG_FUNCTION_INFO_V1(ls_sql_engagement_ne);
PG_FUNCTION_INFO_V1(ls_sql_engagement_hash);

/* What a value may have at most: more than any state, far less than memory. */
#define MAX_BYTES (1024 * 1024)

static void
refuse(int sqlstate, const char *problem)
{
	ereport(ERROR,
			errcode(sqlstate),
			errmsg("malformed engagement state: %s", problem),
			errhint("Aggregate the events again with lead_scoring.engagement_agg()."));
}

static void
refuse_state(const LsState *state, const char *problem)
{
	if (VARSIZE(state) >= sizeof(LsState) && state->version > LS_STATE_VERSION)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("engagement state has format %d, which is newer than this "
					   "library's %d",
					   state->version,
					   LS_STATE_VERSION),
				errhint("Update lead_scoring, or aggregate the events again."));
	refuse(ERRCODE_DATA_CORRUPTED, problem);
}

/*
 * ls_state_from_datum: the state, checked.
 *
 * Errors: 0A000 for another format, XX001 for one that is damaged.
 */
const LsState *
ls_state_from_datum(Datum datum)
{
	const LsState *state = (const LsState *) PG_DETOAST_DATUM(datum);
	const char *problem = ls_state_check(state, VARSIZE(state));

	if (problem != NULL)
		refuse_state(state, problem);
	return state;
}

/*
 * ls_state_head_from_datum: the same, but only its head was checked.
 */
const LsState *
ls_state_head_from_datum(Datum datum)
{
	const LsState *state = (const LsState *) PG_DETOAST_DATUM(datum);
	const char *problem = ls_state_check_head(state, VARSIZE(state));

	if (problem != NULL)
		refuse_state(state, problem);
	return state;
}

/* ls_state_model_name: as a string of its own. */
char *
ls_state_model_name(const LsState *state)
{
	return pnstrdup(ls_state_name(state), state->name_length);
}

/* ---- out -------------------------------------------------------------- */

static void
send_words(StringInfo out, const void *words, int n)
{
	for (int i = 0; i < n; i++)
		pq_sendint64(out, ((const uint64 *) words)[i]);
}

static void
send_section(StringInfo out, const LsSection *section)
{
	pq_sendint16(out, section->track);
	pq_sendint8(out, section->columns);
	pq_sendint32(out, section->n);
	if (section->columns & LS_SECTION_UNLESS)
		pq_sendint64(out, section->unless_us);
	if (section->columns & LS_SECTION_MARK)
		pq_sendint64(out, section->mark_us);
	send_words(out, section->times_us, section->n);
	if (section->columns & LS_SECTION_KEYS)
		send_words(out, section->keys, section->n);
	for (int i = 0; i < section->n && section->columns & LS_SECTION_VALUES; i++)
		pq_sendfloat8(out, section->values[i]);
	for (int i = 0; i < section->n && section->columns & LS_SECTION_STEPS; i++)
		pq_sendint32(out, section->steps[i]);
}

static void
send_state(StringInfo out, const LsState *state)
{
	LsSectionReader reader;
	LsSection section;

	pq_sendint8(out, state->version);
	pq_sendint8(out, state->name_length);
	pq_sendbytes(out, ls_state_name(state), state->name_length);
	pq_sendint64(out, state->fingerprint);
	pq_sendint64(out, state->as_of_us);
	pq_sendint64(out, state->from_us);
	pq_sendint64(out, state->until_us);
	pq_sendint64(out, state->last_activity_us);
	pq_sendint16(out, state->nsections);
	ls_state_read(state, &reader);
	while (ls_state_next(&reader, &section))
		send_section(out, &section);
}

/* engagement_send(engagement) -> bytea */
Datum
ls_sql_engagement_send(PG_FUNCTION_ARGS)
{
	const LsState *state = PG_GETARG_ENGAGEMENT(0);
	StringInfoData out;

	pq_begintypsend(&out);
	send_state(&out, state);
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/* engagement_out(engagement) -> cstring */
Datum
ls_sql_engagement_out(PG_FUNCTION_ARGS)
{
	const LsState *state = PG_GETARG_ENGAGEMENT(0);
	StringInfoData out;
	char *digits;

	initStringInfo(&out);
	send_state(&out, state);
	digits = palloc(out.len * 2 + 1);
	digits[hex_encode(out.data, out.len, digits)] = '\0';
	PG_RETURN_CSTRING(digits);
}

/* ---- in --------------------------------------------------------------- */

/* LsInput: bytes that came from outside. */
typedef struct LsInput
{
	const char *at;
	int left;
	int sqlstate; /* of what is wrong with them */
} LsInput;

static const char *
take(LsInput *in, int64 size)
{
	const char *at = in->at;

	if (size > in->left)
		refuse(in->sqlstate, "it is too short");
	in->at += size;
	in->left -= size;
	return at;
}

static uint8
take_byte(LsInput *in)
{
	return *(const uint8 *) take(in, 1);
}

static uint16
take_int16(LsInput *in)
{
	uint16 value;

	memcpy(&value, take(in, sizeof(value)), sizeof(value));
	return pg_ntoh16(value);
}

static uint32
take_int32(LsInput *in)
{
	uint32 value;

	memcpy(&value, take(in, sizeof(value)), sizeof(value));
	return pg_ntoh32(value);
}

static uint64
take_int64(LsInput *in)
{
	uint64 value;

	memcpy(&value, take(in, sizeof(value)), sizeof(value));
	return pg_ntoh64(value);
}

static void
copy_words(LsInput *in, StringInfo out, int64 n)
{
	for (int64 i = 0; i < n; i++)
	{
		uint64 word = take_int64(in);

		appendBinaryStringInfo(out, (char *) &word, sizeof(word));
	}
}

static void
copy_steps(LsInput *in, StringInfo out, int64 n)
{
	uint32 step = 0;

	for (int64 i = 0; i < n; i++)
	{
		step = take_int32(in);
		appendBinaryStringInfo(out, (char *) &step, sizeof(step));
	}
	step = 0;
	if (n % 2 != 0)
		appendBinaryStringInfo(out, (char *) &step, sizeof(step));
}

static void
copy_section(LsInput *in, StringInfo out)
{
	LsSectionHead head = {0};
	int64 n;

	head.track = take_int16(in);
	head.columns = take_byte(in);
	head.n = take_int32(in);
	n = head.n;
	if (n > in->left / (int) sizeof(int64))
		refuse(in->sqlstate, "it ends within a section");
	appendBinaryStringInfo(out, (char *) &head, sizeof(head));
	if (head.columns & LS_SECTION_UNLESS)
		copy_words(in, out, 1);
	if (head.columns & LS_SECTION_MARK)
		copy_words(in, out, 1);
	copy_words(in, out, n);
	if (head.columns & LS_SECTION_KEYS)
		copy_words(in, out, n);
	if (head.columns & LS_SECTION_VALUES)
		copy_words(in, out, n);
	if (head.columns & LS_SECTION_STEPS)
		copy_steps(in, out, n);
}

static LsState *
read_state(LsInput *in)
{
	LsState state = {0};
	const char *name;
	const char *problem;
	StringInfoData out;

	state.version = take_byte(in);
	if (state.version > LS_STATE_VERSION)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("engagement state has format %d, which is newer than this "
					   "library's %d",
					   state.version,
					   LS_STATE_VERSION),
				errhint("Update lead_scoring, or aggregate the events again."));
	state.name_length = take_byte(in);
	name = take(in, state.name_length);
	if (!pg_verify_mbstr(GetDatabaseEncoding(), name, state.name_length, true))
		refuse(in->sqlstate, "it names no model");
	state.fingerprint = take_int64(in);
	state.as_of_us = take_int64(in);
	state.from_us = take_int64(in);
	state.until_us = take_int64(in);
	state.last_activity_us = take_int64(in);
	state.nsections = take_int16(in);
	initStringInfo(&out);
	appendBinaryStringInfo(&out, (char *) &state, sizeof(state));
	appendBinaryStringInfo(&out, name, state.name_length);
	while (out.len % 8 != 0)
		appendStringInfoChar(&out, '\0');
	for (int i = 0; i < state.nsections; i++)
		copy_section(in, &out);
	if (in->left > 0)
		refuse(in->sqlstate, "it is too long");
	SET_VARSIZE(out.data, out.len);
	problem = ls_state_check((LsState *) out.data, out.len);
	if (problem != NULL)
		refuse(in->sqlstate, problem);
	return (LsState *) out.data;
}

static void
check_length(int64 bytes)
{
	if (bytes > MAX_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("engagement state is too long"),
				errdetail("There are %lld bytes; the limit is %d.",
						  (long long) bytes,
						  MAX_BYTES),
				errhint("Aggregate the events again with "
						"lead_scoring.engagement_agg()."));
}

/* engagement_recv(internal) -> engagement */
Datum
ls_sql_engagement_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int size = buffer->len - buffer->cursor;
	LsInput in = {.left = size, .sqlstate = ERRCODE_INVALID_BINARY_REPRESENTATION};

	check_length(size);
	in.at = pq_getmsgbytes(buffer, size);
	PG_RETURN_POINTER(read_state(&in));
}

/* engagement_in(cstring) -> engagement */
Datum
ls_sql_engagement_in(PG_FUNCTION_ARGS)
{
	const char *digits = PG_GETARG_CSTRING(0);
	Size length = strlen(digits);
	LsInput in = {.sqlstate = ERRCODE_INVALID_TEXT_REPRESENTATION};
	char *bytes;

	check_length((int64) length / 2);
	if (strspn(digits, "0123456789abcdefABCDEF") != length || length % 2 != 0)
		refuse(in.sqlstate, "it must be pairs of hexadecimal digits");
	bytes = palloc(length / 2 + 1);
	in.left = (int) hex_decode(digits, length, bytes);
	in.at = bytes;
	PG_RETURN_POINTER(read_state(&in));
}

/* ---- equality: of all bytes -------------------------------------------- */

static bool
is_same(const LsState *a, const LsState *b)
{
	return VARSIZE(a) == VARSIZE(b) &&
		   memcmp(VARDATA(a), VARDATA(b), VARSIZE(a) - VARHDRSZ) == 0;
}

/* engagement_eq(engagement, engagement) -> boolean */
Datum
ls_sql_engagement_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_same(PG_GETARG_ENGAGEMENT(0), PG_GETARG_ENGAGEMENT(1)));
}

/* engagement_ne(engagement, engagement) -> boolean */
Datum
ls_sql_engagement_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!is_same(PG_GETARG_ENGAGEMENT(0), PG_GETARG_ENGAGEMENT(1)));
}

/* engagement_hash(engagement) -> integer */
Datum
ls_sql_engagement_hash(PG_FUNCTION_ARGS)
{
	const LsState *state = PG_GETARG_ENGAGEMENT(0);

	PG_RETURN_INT32(
		hash_bytes((const unsigned char *) VARDATA(state), VARSIZE(state) - VARHDRSZ));
}
