/* .npy files: what is read, what is refused and with which sentence, and that no bytes, however
 * damaged, are taken for more than they are. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "../src/cli/npy.c"
#include <check.h>
#include <signal.h>
#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char whole[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

/* A header of a version with this text behind it. */
static size_t build(unsigned char *bytes, int version, const char *text)
{
    size_t length = strlen(text), prefix = version == 1 ? 10 : 12;
    memcpy(bytes, magic, sizeof magic);
    memset(bytes + 6, 0, 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)(length & 0xff);
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + prefix, text, length);
    return prefix + length;
}

static bool parse(int version, const char *text, npy_header *header, kiln_text *why)
{
    unsigned char bytes[4096];
    size_t length = build(bytes, version, text);
    return npy_parse(bytes, length, header, why);
}

static void expect_refusal(bool got, kiln_text *why, const char *part, const char *of)
{
    ck_assert_msg(!got, "taken: %s", of);
    ck_assert_msg(why->data && strstr(why->data, part), "%s: said \"%s\", not \"%s\"", of,
                  why->data ? why->data : "", part);
    ck_assert(!strchr(why->data, '\n'));
    kiln_text_free(why);
}

/* ---- headers ------------------------------------------------------------------------------ */

START_TEST(test_headers)
{
    static const struct {
        const char *text;
        size_t rank;
        int64_t elements;
    } cases[] = {
        {whole, 2, 6},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 2, 6},
        {"{'shape':(2,3,),'fortran_order':False,'descr':'<f4'}", 2, 6},
        {" \n{ \"fortran_order\" :\tFalse , \"shape\" : ( 7 , ) , \"descr\" : \"<f4\" , } \n\n", 1,
         7},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 0, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5L, 2L), }", 2, 10},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807), }", 2, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 0), }", 2, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846975,), }", 1,
         1152921504606846975},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int version = 1; version <= 3; version++) {
            npy_header header;
            kiln_text why = {0};
            ck_assert_msg(parse(version, cases[i].text, &header, &why), "%s: %s", cases[i].text,
                          why.data);
            ck_assert_str_eq(header.descr, "<f4");
            ck_assert(!header.fortran_order);
            ck_assert_uint_eq(header.rank, cases[i].rank);
            ck_assert_int_eq(header.elements, cases[i].elements);
            ck_assert_uint_eq(header.length, strlen(cases[i].text) + (version == 1 ? 10 : 12));
        }
    }
}
END_TEST

START_TEST(test_header_refusals)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"  ", "ends where `{' should stand"},
        {"{   ", "ends where a key should stand"},
        {"{}", "lacks the key `descr'"},
        {"[]", "has `[' where `{' should stand"},
        {"{'descr': '<f4', 'shape': (2, 3), }", "lacks the key `fortran_order'"},
        {"{'descr': '<f4', 'fortran_order': False, }", "lacks the key `shape'"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
         "the key `descr' twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "the key `more'"},
        {"{descr: '<f4'}", "`d' where a key"},
        {"{'descr' '<f4'}", "where `:' should stand"},
        {"{'descr': '<f4' 'fortran_order': False}", "where `,' or `}' should stand"},
        {"{'descr': '<f4}", "ends where a closing quote"},
        {"{'descr': '<f\\x34'}", "has `\\' where a printable character"},
        {"{'descr': '<f\xc3\xa4'}", "byte 0xc3 where a printable"},
        {"{'descr': 4}", "`4' where a dtype"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "structured"},
        {"{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,), }", "structured"},
        {"{'descr': '<f4', 'fortran_order': 0}", "`0' where True or False"},
        {"{'descr': '<f4', 'fortran_order': Fals", "`F' where True or False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "`6' where a shape's `('"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}", "`[' where a shape's `('"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "the number (6), not a tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "`,' where an extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,,3)}", "`,' where an extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "`3' where `,' or `)'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}", "`-' where an extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0x2, 3)}", "`x' where `,' or `)'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}", "`.' where `,' or `)'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
         "an extent that passes 2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999999,)}",
         "an extent that passes 2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,)}",
         "larger than any file"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         "(4294967296, 4294967296) is larger than any file"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", "`x' where its end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }}", "`}' where its end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", "ends where `,' or `)'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int version = 1; version <= 3; version++) {
            npy_header header;
            kiln_text why = {0};
            expect_refusal(parse(version, cases[i].text, &header, &why), &why, cases[i].said,
                           cases[i].text);
        }
    }
}
END_TEST

START_TEST(test_many_extents)
{
    npy_header header;
    for (size_t rank = NPY_MAX_RANK; rank <= NPY_MAX_RANK + 1; rank++) {
        kiln_text text = {0}, why = {0};
        kiln_text_add(&text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
        for (size_t i = 0; i < rank; i++)
            kiln_text_add(&text, "1, ");
        kiln_text_add(&text, ")}");
        bool taken = parse(1, text.data, &header, &why);
        if (rank == NPY_MAX_RANK)
            ck_assert_msg(taken, "%s", why.data);
        else
            expect_refusal(taken, &why, "more than 64 extents", text.data);
        kiln_text_free(&text);
        kiln_text_free(&why);
    }
}
END_TEST

START_TEST(test_prefix)
{
    unsigned char bytes[4096];
    size_t length = build(bytes, 1, whole);
    npy_header header;
    kiln_text why = {0};

    for (size_t count = 0; count < length; count++)
        expect_refusal(npy_parse(bytes, count, &header, &why), &why, "inside ", "cut");
    memcpy(bytes, "PK\3\4", 4);
    expect_refusal(npy_parse(bytes, length, &header, &why), &why, "archive", "zip");
    build(bytes, 1, whole);
    bytes[5] = 'X';
    expect_refusal(npy_parse(bytes, length, &header, &why), &why, "no .npy file", "magic");
    build(bytes, 1, whole);
    bytes[6] = 4;
    expect_refusal(npy_parse(bytes, length, &header, &why), &why, "version is 4.0", "version");
    bytes[6] = 0;
    expect_refusal(npy_parse(bytes, length, &header, &why), &why, "version is 0.0", "version");
    bytes[6] = 1;
    bytes[7] = 1;
    expect_refusal(npy_parse(bytes, length, &header, &why), &why, "version is 1.1", "version");
    build(bytes, 2, whole);
    memset(bytes + 8, 0xff, 4);
    expect_refusal(npy_parse(bytes, length, &header, &why), &why,
                   "announces a header of 4294967295", "length");
}
END_TEST

/* One byte changed at a time, then many at random: a header is refused with a sentence, or what it
 * says is within bounds. */
static void parse_any(const unsigned char *bytes, size_t length)
{
    /* In memory of exactly this size, so that a read beyond it is seen by a sanitizer. */
    unsigned char *copy = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    npy_header header;
    kiln_text why = {0};
    if (npy_parse(copy, length, &header, &why)) {
        ck_assert_uint_le(header.length, length);
        ck_assert_uint_le(header.rank, NPY_MAX_RANK);
        ck_assert_uint_lt(strlen(header.descr), sizeof header.descr);
        ck_assert_int_ge(header.elements, 0);
        ck_assert_int_le(header.elements, INT64_MAX / 8);
        for (size_t i = 0; i < header.rank; i++)
            ck_assert_int_ge(header.shape[i], 0);
    } else {
        ck_assert(why.length > 0 && !strchr(why.data, '\n'));
    }
    kiln_text_free(&why);
    free(copy);
}

START_TEST(test_any_bytes)
{
    unsigned char bytes[256], changed[256];
    uint64_t state = 88172645463325252u;
    for (int version = 1; version <= 3; version++) {
        size_t length = build(bytes, version, whole);
        for (size_t at = 0; at < length; at++) {
            for (int value = 0; value < 256; value++) {
                memcpy(changed, bytes, length);
                changed[at] = (unsigned char)value;
                parse_any(changed, length);
            }
        }
        for (int i = 0; i < 20000; i++) {
            static const char likely[] = "{}()[],:'\"0123456789LTrueFalse \n<f4|descrshape";
            memcpy(changed, bytes, length);
            for (int n = 0; n < 1 + i % 7; n++) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                size_t at = 8 + state % (length - 8);
                changed[at] = state & 1u << 20
                                  ? (unsigned char)(state >> 32)
                                  : (unsigned char)likely[(state >> 40) % (sizeof likely - 1)];
            }
            parse_any(changed, i % 3 ? length : (size_t)(state >> 24) % (length + 1));
        }
    }
}
END_TEST

/* ---- files -------------------------------------------------------------------------------- */

static char dir[256], path[300];

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/kiln-npy-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.npy", dir);
}

/* rmdir sees to it that no other file is left. */
static void teardown(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void put(const char *text, size_t data)
{
    unsigned char bytes[4096];
    size_t length = build(bytes, 1, text);
    memset(bytes + length, 7, data);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length + data, file), length + data);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_open_refusal(kiln_dtype dtype, const char *part)
{
    npy_file file;
    kiln_text why = {0};
    bool opened = npy_open(path, dtype, &file, &why);
    npy_close(&file);
    ck_assert(why.data && strncmp(why.data, path, strlen(path)) == 0);
    expect_refusal(opened, &why, part, "a file");
}

START_TEST(test_open)
{
    expect_open_refusal(KILN_F32, "cannot be opened: ");
    put(whole, 24);
    npy_file file;
    kiln_text why = {0};
    unsigned char data[24];
    ck_assert_msg(npy_open(path, KILN_F32, &file, &why), "%s", why.data);
    ck_assert(npy_read(&file, path, data, sizeof data, &why));
    ck_assert_uint_eq(data[0] + data[23], 14);
    npy_close(&file);
    npy_close(&file);

    expect_open_refusal(KILN_F16, "its dtype is '<f4', not '<f2' (f16)");
    expect_open_refusal(KILN_BF16, "its dtype is '<f4', not '<u2' (bf16, its bits as uint16)");
    expect_open_refusal(KILN_I32, "its dtype is '<f4', not '<i4' (i32)");
    put(whole, 23);
    expect_open_refusal(KILN_F32, "(2, 3) is 24 bytes of f32, but 23 follow the header");
    put(whole, 0);
    expect_open_refusal(KILN_F32, "but 0 follow");
    put(whole, 25);
    expect_open_refusal(KILN_F32, "but 25 follow");
    put("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }", 24);
    expect_open_refusal(KILN_F32, "is 4000000000000000000 bytes of f32, but 24 follow");
    put("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24);
    expect_open_refusal(KILN_F32, "Fortran order");
    put("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    expect_open_refusal(KILN_F32, "its dtype is '>f4', not '<f4' (f32, little-endian)");
    put("{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    expect_open_refusal(KILN_F32, "its dtype is '=f4', not '<f4'");
    put("{'descr': '|u2', 'fortran_order': False, 'shape': (2, 3), }", 12);
    expect_open_refusal(KILN_BF16, "its dtype is '|u2', not '<u2'");
    put("{'descr': '<f4 and then so much more that it is cut off', 'fortran_order': False, "
        "'shape': (2, 3), }",
        24);
    expect_open_refusal(KILN_F32, "its dtype is '<f4 and then ");
    put("", 0);
    expect_open_refusal(KILN_F32, "ends after 10 bytes");

    snprintf(path, sizeof path, "%s", dir);
    expect_open_refusal(KILN_F32, "cannot be read: ");
    snprintf(path, sizeof path, "%s/x.npy", dir);
}
END_TEST

/* What is no regular file has no size: it is cut or too long only once it is read. */
START_TEST(test_read_from_pipe)
{
    static const struct {
        size_t data;
        const char *said;
    } cases[] = {{24, NULL}, {23, "ends inside its elements"}, {0, "ends inside"}, {25, "more "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        int ends[2];
        unsigned char bytes[4096] = {0}, data[24];
        size_t length = build(bytes, 1, whole);
        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], bytes, length + cases[i].data),
                         (ssize_t)(length + cases[i].data));
        close(ends[1]);
        char name[64];
        snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
        npy_file file;
        kiln_text why = {0};
        ck_assert_msg(npy_open(name, KILN_F32, &file, &why), "%s", why.data);
        bool got = npy_read(&file, name, data, sizeof data, &why);
        if (cases[i].said)
            expect_refusal(got, &why, cases[i].said, "a pipe");
        else
            ck_assert_msg(got, "%s", why.data);
        npy_close(&file);
        close(ends[0]);
    }
}
END_TEST

START_TEST(test_write)
{
    static const int64_t shapes[][3] = {{4, 3, 2}, {24, 1, 1}, {1, 1, 24}};
    static const char *const printed[][3] = {{"(4,)", "(4, 3)", "(4, 3, 2)"},
                                             {"(24,)", "(24, 1)", "(24, 1, 1)"},
                                             {"(1,)", "(1, 1)", "(1, 1, 24)"}};
    unsigned char data[24 * 4], back[24 * 4];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(37 * i);
    for (size_t s = 0; s < COUNT(shapes); s++) {
        for (size_t rank = 1; rank <= 3; rank++) {
            for (int dtype = KILN_F32; dtype <= KILN_I32; dtype++) {
                size_t bytes = kiln_dtype_size((kiln_dtype)dtype);
                for (size_t i = 0; i < rank; i++)
                    bytes *= (size_t)shapes[s][i];
                kiln_text why = {0}, shape = {0};
                npy_file file;
                ck_assert_msg(
                    npy_write(path, (kiln_dtype)dtype, shapes[s], rank, data, bytes, &why), "%s",
                    why.data);
                ck_assert_msg(npy_open(path, (kiln_dtype)dtype, &file, &why), "%s", why.data);
                ck_assert_uint_eq(file.header.length % 64, 0);
                ck_assert_uint_eq(file.header.rank, rank);
                npy_print_shape(&shape, file.header.shape, rank);
                ck_assert_str_eq(shape.data, printed[s][rank - 1]);
                ck_assert(npy_read(&file, path, back, bytes, &why));
                ck_assert_mem_eq(back, data, bytes);
                npy_close(&file);
                kiln_text_free(&shape);
            }
        }
    }
    FILE *file = fopen(path, "rb");
    char line[129] = "";
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(line, 1, 128, file), 128);
    ck_assert_str_eq(line + 10, "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1, 24), }"
                                "                                                      \n");
    fclose(file);
}
END_TEST

START_TEST(test_write_trouble)
{
    static unsigned char data[1 << 20];
    const int64_t shape[] = {sizeof data / 4};
    struct rlimit before, low;
    kiln_text why = {0};
    put(whole, 24);

    /* A full disk, in small: the old file stays, and nothing is left beside it. */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 1 << 19;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    bool written = npy_write(path, KILN_F32, shape, 1, data, sizeof data, &why);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_refusal(written, &why, "cannot write ", "a full disk");
    npy_file file;
    ck_assert(npy_open(path, KILN_F32, &file, &why));
    npy_close(&file);

    char absent[320];
    snprintf(absent, sizeof absent, "%s/none/x.npy", dir);
    expect_refusal(npy_write(absent, KILN_F32, shape, 1, data, sizeof data, &why), &why,
                   strerror(ENOENT), "no directory");
    expect_refusal(npy_write(dir, KILN_F32, shape, 1, data, sizeof data, &why), &why,
                   "cannot write ", "a directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *headers = tcase_create("headers"), *files = tcase_create("files");
    tcase_add_test(headers, test_headers);
    tcase_add_test(headers, test_header_refusals);
    tcase_add_test(headers, test_many_extents);
    tcase_add_test(headers, test_prefix);
    tcase_add_test(headers, test_any_bytes);
    suite_add_tcase(suite, headers);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, test_open);
    tcase_add_test(files, test_read_from_pipe);
    tcase_add_test(files, test_write);
    tcase_add_test(files, test_write_trouble);
    suite_add_tcase(suite, files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
