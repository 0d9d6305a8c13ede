/*
 * main.c: so many seconds of random cases, from a seed; TAP.
 *
 *     fuzz [SECONDS [SEED]]
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* run: cases until the time is over; each has a seed of its own. */
static bool
run(int number,
	const char *name,
	const char *(*check)(const FuzzCase *),
	uint64_t seed,
	double secs)
{
	static FuzzCase fc;
	double end = seconds() + secs;
	long ncases = 0;
	const char *wrong = NULL;

	do
	{
		fuzz_seed(seed + (uint64_t) ncases++);
		fuzz_case(&fc);
		wrong = check(&fc);
	} while (wrong == NULL && seconds() < end);
	printf("%s %d - %s\n", wrong == NULL ? "ok" : "not ok", number, name);
	if (wrong != NULL)
		printf("# %s\n# that is: test/fuzz/run 0 %llu\n",
			   wrong,
			   (unsigned long long) (seed + (uint64_t) ncases - 1));
	else
		printf("# %ld cases\n", ncases);
	return wrong == NULL;
}

int
main(int argc, char **argv)
{
	double secs = argc > 1 ? atof(argv[1]) : 10;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	bool good = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..2\n");
	good &= run(1,
				"reduced and joined facts say what all facts say",
				fuzz_laws,
				seed,
				secs * 0.7);
	good &= run(2, "damaged states do no harm", fuzz_bytes, seed, secs * 0.3);
	return good ? 0 : 1;
}
