/*
 * ls_match_test.c: conjunctions of predicates on plain columns, such as
 * "type = 'page_view' AND page = '/pricing'", decided without the executor.
 */
#include "ls_match_int.h"

#include "ls_compat.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"

/* ---- making ----------------------------------------------------------- */

static void
keep_texts(LsTest *test, const LsPredicate *p)
{
	const char **texts = palloc(sizeof(char *) * (p->nvalues + 1));
	int *lengths = palloc(sizeof(int) * (p->nvalues + 1));

	for (int i = 0; i < p->nvalues; i++)
	{
		struct varlena *value = (struct varlena *) DatumGetPointer(p->values[i]);

		lengths[i] = VARSIZE_ANY_EXHDR(value);
		texts[i] =
			memcpy(palloc(Max(lengths[i], 1)), VARDATA_ANY(value), (Size) lengths[i]);
	}
	test->is_text = true;
	test->texts = texts;
	test->lengths = lengths;
}

static void
keep_numbers(LsTest *test, const LsPredicate *p)
{
	int64 *numbers = palloc(sizeof(int64) * (p->nvalues + 1));

	for (int i = 0; i < p->nvalues; i++)
		numbers[i] = DatumGetInt64(p->values[i]);
	test->numbers = numbers;
}

/* keep_range: false where a bound is beyond all numbers. */
static bool
keep_range(LsTest *test, const LsPredicate *p)
{
	test->lower = p->lower.given ? DatumGetInt64(p->lower.value) : PG_INT64_MIN;
	test->upper = p->upper.given ? DatumGetInt64(p->upper.value) : PG_INT64_MAX;
	if (p->lower.given && !p->lower.inclusive && test->lower++ == PG_INT64_MAX)
		return false;
	return !(p->upper.given && !p->upper.inclusive && test->upper-- == PG_INT64_MIN);
}

/* make_test: false where the predicate takes more than a look at a column. */
static bool
make_test(Node *expr, LsTest *test)
{
	LsPredicate p;
	Node *column;

	if (!ls_match_predicate(expr, &p) || p.kind == LS_PRED_PATTERN)
		return false;
	column = p.subject;
	while (IsA(column, RelabelType))
		column = (Node *) ((RelabelType *) column)->arg;
	if (!IsA(column, Var))
		return false;
	test->kind = p.kind;
	test->negated = p.negated;
	test->type = exprType(p.subject);
	test->column = ((Var *) column)->varattno - 1;
	test->nvalues = p.nvalues;
	if (p.kind == LS_PRED_NULL)
		return true;
	if (p.key_class == LS_KEY_BYTES && p.kind == LS_PRED_SET && test->type == TEXTOID)
		keep_texts(test, &p);
	else if (p.key_class == LS_KEY_INT && p.kind == LS_PRED_SET)
		keep_numbers(test, &p);
	else
		return p.key_class == LS_KEY_INT && keep_range(test, &p);
	return true;
}

/*
 * ls_match_make_tests: how many tests, all of which hold exactly where the
 * condition is true; 0 where it takes the executor.
 */
int
ls_match_make_tests(Node *expr, const LsTest **tests)
{
	List *parts = is_andclause(expr) ? ((BoolExpr *) expr)->args : list_make1(expr);
	LsTest *made = palloc0(sizeof(LsTest) * list_length(parts));
	ListCell *cell;

	foreach(cell, parts)
		if (!make_test(lfirst(cell), &made[foreach_current_index(cell)]))
			return 0;
	*tests = made;
	return list_length(parts);
}

/* ---- running ---------------------------------------------------------- */

static bool
is_one_of(const LsTest *test, const char *bytes, int length)
{
	for (int i = 0; i < test->nvalues; i++)
		if (test->lengths[i] == length &&
			memcmp(test->texts[i], bytes, (Size) length) == 0)
			return true;
	return false;
}

static bool
is_among(const LsTest *test, int64 number)
{
	if (test->kind == LS_PRED_RANGE)
		return number >= test->lower && number <= test->upper;
	for (int i = 0; i < test->nvalues; i++)
		if (test->numbers[i] == number)
			return true;
	return false;
}

/* run_test: false where the value is not at hand. */
static inline bool
run_test(const LsTest *test, Datum value, bool is_null, bool *holds)
{
	if (test->kind == LS_PRED_NULL)
		*holds = is_null != test->negated;
	else if (is_null)
		*holds = false;
	else if (!test->is_text)
		*holds = is_among(test, ls_match_int_key(test->type, value)) != test->negated;
	else
	{
		const struct varlena *text = (const struct varlena *) DatumGetPointer(value);

		if (VARATT_IS_COMPRESSED(text) || VARATT_IS_EXTERNAL(text))
			return false;
		*holds = is_one_of(test, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)) !=
				 test->negated;
	}
	return true;
}

/*
 * ls_match_run_tests: does the condition hold for the row loaded last? False where
 * the executor must say.
 */
bool
ls_match_run_tests(const LsMatcher *matcher, const LsGuarded *guarded, bool *holds)
{
	*holds = guarded->ntests > 0;
	for (int i = 0; i < guarded->ntests && *holds; i++)
	{
		const LsTest *test = &guarded->tests[i];

		if (!run_test(test,
					  matcher->hand.values[test->column],
					  matcher->hand.nulls[test->column],
					  holds))
			return false;
	}
	return guarded->ntests > 0;
}
