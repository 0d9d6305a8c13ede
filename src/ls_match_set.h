/*
 * ls_match_set.h: the look-up in a set index: for every row, so it is inline.
 */
#ifndef LS_MATCH_SET_H
#define LS_MATCH_SET_H

#include "ls_match_int.h"

#include "common/hashfn.h"

static inline int
ls_set_trimmed_length(const LsSetIndex *index, const char *bytes, int length)
{
	if (index->trim_blanks)
		while (length > 0 && bytes[length - 1] == ' ')
			length--;
	return length;
}

static inline uint64
ls_set_word(const char *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint32
ls_set_half(const char *bytes)
{
	uint32 half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

/* ls_set_key: bytes beyond the string are not touched. */
static inline LsSetKey
ls_set_key(const char *bytes, int length)
{
	LsSetKey key = {length, {0, 0}};

	if (length > 16)
	{
		key.words[0] = hash_bytes_extended((const unsigned char *) bytes, length, 0);
		key.words[1] = (uint64) (uintptr_t) bytes;
	}
	else if (length >= 8)
	{
		key.words[0] = ls_set_word(bytes);
		key.words[1] = ls_set_word(bytes + length - 8);
	}
	else if (length >= 4)
	{
		key.words[0] = ls_set_half(bytes);
		key.words[1] = ls_set_half(bytes + length - 4);
	}
	else if (length > 0)
		key.words[0] = (uint64) (uint8) bytes[0] |
					   (uint64) (uint8) bytes[length / 2] << 8 |
					   (uint64) (uint8) bytes[length - 1] << 16;
	return key;
}

static inline const char *
ls_set_long_bytes(const LsSetKey *key)
{
	return (const char *) (uintptr_t) key->words[1];
}

static inline bool
ls_set_same_key(const LsSetKey *a, const LsSetKey *b)
{
	if (a->length != b->length || a->words[0] != b->words[0])
		return false;
	return a->length <= 16
			   ? a->words[1] == b->words[1]
			   : memcmp(ls_set_long_bytes(a), ls_set_long_bytes(b), a->length) == 0;
}

/* ls_set_first_place: where the search for a key begins. */
static inline uint32
ls_set_first_place(const LsSetIndex *index, const LsSetKey *key)
{
	uint64 mixed = key->words[0] * UINT64_C(0x9E3779B97F4A7C15);

	if (key->length <= 16)
		mixed = (mixed ^ (mixed >> 32) ^ key->words[1]) * UINT64_C(0xC2B2AE3D27D4EB4F);
	return (uint32) (mixed >> 32) & index->mask;
}

/* ls_set_entry: the key's, or the free one where it belongs. */
static inline LsSetEntry *
ls_set_entry(const LsSetIndex *index, const LsSetKey *key)
{
	for (uint32 at = ls_set_first_place(index, key);; at = (at + 1) & index->mask)
	{
		LsSetEntry *entry = &index->entries[at];

		if (entry->key.length < 0 || ls_set_same_key(&entry->key, key))
			return entry;
	}
}

static inline uint64
ls_set_length_bit(int length)
{
	return UINT64_C(1) << Min(length, 63);
}

/*
 * ls_set_find: what a value does; never NULL.
 */
static inline const LsPayload *
ls_set_find(const LsSetIndex *index, const char *bytes, int length)
{
	const LsSetEntry *entry;
	LsSetKey key;

	length = ls_set_trimmed_length(index, bytes, length);
	if ((index->lengths & ls_set_length_bit(length)) == 0)
		return &index->otherwise;
	key = ls_set_key(bytes, length);
	entry = ls_set_entry(index, &key);
	return entry->key.length < 0 ? &index->otherwise : &entry->payload;
}

#endif /* LS_MATCH_SET_H */
