/*
 * ls_match_like.c: LIKE and ILIKE with a constant pattern.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"

/* LsShape: a pattern taken apart. */
typedef struct LsShape
{
	bool open_start; /* begins with a wildcard */
	bool open_end;
	bool has_single; /* has an underscore */
	int nsegments;	 /* literal runs between wildcards */
	char *longest;
	int longest_length;
} LsShape;

/* positive_like: the LIKE operator that `opno` is, or is the negation of. */
static Oid
positive_like(Oid opno, bool *negated)
{
	Oid candidates[2] = {opno, get_negator(opno)};

	for (int i = 0; i < 2; i++)
		switch (candidates[i])
		{
			case OID_TEXT_LIKE_OP:
			case OID_TEXT_ICLIKE_OP:
			case OID_BPCHAR_LIKE_OP:
			case OID_BPCHAR_ICLIKE_OP:
				*negated = i == 1;
				return candidates[i];
			default:
				break;
		}
	return InvalidOid;
}

static bool
ignores_case(Oid opno)
{
	return opno == OID_TEXT_ICLIKE_OP || opno == OID_BPCHAR_ICLIKE_OP;
}

static bool
has_high_bit(const char *bytes, int length)
{
	for (int i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return true;
	return false;
}

/*
 * bytes_suffice: can matching look at bytes alone? In UTF-8 no character's
 * bytes occur inside another's; in other multibyte encodings that holds for
 * ASCII patterns. ILIKE is decided by lower() in UTF-8 only.
 */
static bool
bytes_suffice(const char *pattern, int length, bool ignore_case)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	if (ignore_case)
		return false;
	return pg_database_encoding_max_length() == 1 || !has_high_bit(pattern, length);
}

static void
end_segment(LsShape *shape, const char *segment, int length)
{
	if (length == 0)
		return;
	shape->nsegments++;
	if (length > shape->longest_length)
	{
		shape->longest = pnstrdup(segment, length);
		shape->longest_length = length;
	}
}

/* take_apart: false where the pattern would raise. */
static bool
take_apart(const char *pattern, int length, LsShape *shape)
{
	char *segment = palloc(length + 1);
	int used = 0;
	bool last_is_wild = false;

	memset(shape, 0, sizeof(LsShape));
	for (int i = 0; i < length; i++)
	{
		last_is_wild = pattern[i] == '%' || pattern[i] == '_';
		if (last_is_wild)
		{
			shape->open_start |= i == 0;
			shape->has_single |= pattern[i] == '_';
			end_segment(shape, segment, used);
			used = 0;
			continue;
		}
		if (pattern[i] == '\\' && ++i == length)
			return false;
		segment[used++] = pattern[i];
	}
	shape->open_end = last_is_wild;
	end_segment(shape, segment, used);
	pfree(segment);
	return true;
}

/* fill_pattern: the predicate that the shape is, or that it implies. */
static bool
fill_pattern(LsPredicate *p, const LsShape *shape, bool *is_whole_truth)
{
	*is_whole_truth = shape->nsegments == 1 && !shape->has_single;
	p->kind = LS_PRED_PATTERN;
	p->bytes = shape->longest;
	p->length = shape->longest_length;
	p->anchor = LS_ANYWHERE;
	if (*is_whole_truth && !shape->open_start)
		p->anchor = shape->open_end ? LS_AT_START : LS_WHOLE;
	else if (*is_whole_truth && !shape->open_end)
		p->anchor = LS_AT_END;
	return *is_whole_truth || !p->negated;
}

/* fill_everything: '%' alone matches whatever is not null. */
static bool
fill_everything(LsPredicate *p, const LsShape *shape, bool *is_whole_truth)
{
	if (shape->has_single || !shape->open_start || p->negated)
		return false;
	p->kind = LS_PRED_NULL;
	p->negated = true;
	*is_whole_truth = true;
	return true;
}

/*
 * ls_match_like: a LIKE or ILIKE that bytes decide. With *is_whole_truth the
 * expression is true exactly where the predicate is, else only there.
 */
bool
ls_match_like(Node *expr, LsPredicate *p, bool *is_whole_truth)
{
	OpExpr *op = (OpExpr *) expr;
	Oid like;
	Const *constant;
	text *pattern;
	char *bytes;
	int length;
	LsShape shape;

	if (!IsA(expr, OpExpr) || list_length(op->args) != 2 ||
		!IsA(lsecond(op->args), Const) || !ls_match_is_safe_subject(linitial(op->args)))
		return false;
	like = positive_like(op->opno, &p->negated);
	constant = lsecond(op->args);
	if (!OidIsValid(like) || constant->constisnull || !OidIsValid(op->inputcollid) ||
		!get_collation_isdeterministic(op->inputcollid))
		return false;

	pattern = DatumGetTextPP(constant->constvalue);
	bytes = VARDATA_ANY(pattern);
	length = VARSIZE_ANY_EXHDR(pattern);
	p->ignore_case = ignores_case(like);
	if (!bytes_suffice(bytes, length, p->ignore_case))
		return false;
	if (p->ignore_case)
	{
		bytes = str_tolower(bytes, length, op->inputcollid);
		length = strlen(bytes);
	}
	if (!take_apart(bytes, length, &shape))
		return false;
	p->subject = linitial(op->args);
	p->collation = op->inputcollid;
	if (shape.nsegments == 0)
		return fill_everything(p, &shape, is_whole_truth);
	return fill_pattern(p, &shape, is_whole_truth);
}

static OpExpr *
like_element(const ScalarArrayOpExpr *op, Oid type, Datum element)
{
	OpExpr *like = makeNode(OpExpr);
	Const *pattern = makeConst(type, -1, op->inputcollid, -1, element, false, false);

	like->opno = op->opno;
	like->opfuncid = op->opfuncid;
	like->opresulttype = BOOLOID;
	like->inputcollid = op->inputcollid;
	like->args = list_make2(linitial(op->args), pattern);
	like->location = -1;
	return like;
}

/*
 * ls_match_like_any: subject LIKE ANY (array): one of the predicates must be
 * true. Null elements never are.
 */
bool
ls_match_like_any(Node *expr, List **predicates)
{
	ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) expr;
	ArrayType *array;
	Datum *elements;
	bool *nulls;
	bool negated;
	int n;

	*predicates = NIL;
	if (!IsA(expr, ScalarArrayOpExpr) || !op->useOr || !IsA(lsecond(op->args), Const) ||
		((Const *) lsecond(op->args))->constisnull ||
		!OidIsValid(positive_like(op->opno, &negated)) || negated)
		return false;
	array = DatumGetArrayTypeP(((Const *) lsecond(op->args))->constvalue);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		LsPredicate *p = palloc0(sizeof(LsPredicate));
		bool is_whole_truth;

		if (nulls[i])
			continue;
		if (!ls_match_like((Node *) like_element(op, TEXTOID, elements[i]),
						   p,
						   &is_whole_truth))
			return false;
		*predicates = lappend(*predicates, p);
	}
	return *predicates != NIL;
}
