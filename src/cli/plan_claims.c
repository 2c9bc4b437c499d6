/* kiln plan: what the analysis claims of fusion, and what is found of it.
 *
 * A claim about one fusion compares the plan with that fusion alone, kept by force, with the
 * unfused one. What the fusion saves is taken over forward and backward pass, so that what the
 * latter computes again counts; launches that both plans have cancel, by their spec. It is set
 * against the time that a part of the unfused plan's forward pass takes:
 *
 *     faster % = 100 (part / (part - saved) - 1)
 */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

/* ---- parts of a layer's forward pass ------------------------------------------------------- */

enum {
    NORM = 1,  /* of the layer's parameters: norm1, norm2 */
    QKV = 2,   /* wq wk wv, bq bk bv */
    CORE = 4,  /* what follows on these: rope, attention */
    OUT = 8,   /* wo, bo, and the residual behind */
    UP = 16,   /* w1, b1 */
    ACT = 32,  /* what follows: GELU, SwiGLU */
    DOWN = 64, /* w2, b2, and the residual behind */
    FFN = UP | ACT | DOWN,
    PROJECTIONS = OUT | DOWN,
    NORMED = NORM | QKV | UP,
    ATTENTION = QKV | CORE | OUT
};

/* The piece that a parameter belongs to, by its name behind the layer's; 0: none. */
static int piece_of_parameter(const char *name)
{
    static const struct {
        const char *names;
        int piece;
    } pieces[] = {{"norm1.gamma|norm1.beta|norm2.gamma|norm2.beta", NORM},
                  {"wq|wk|wv|bq|bk|bv", QKV},
                  {"wo|bo", OUT},
                  {"w1|b1", UP},
                  {"w2|b2", DOWN}};
    const char *point = strchr(name, '.');
    for (size_t i = 0; point && i < sizeof pieces / sizeof *pieces; i++)
        if (kiln_listed(pieces[i].names, point + 1))
            return pieces[i].piece;
    return 0;
}

/* The piece of a launch without parameters, by that of the launch before it. */
static int piece_after(int piece)
{
    return piece == QKV ? CORE : piece == UP ? ACT : piece;
}

/* The next of the tensors that a launch's arguments name; false past the end. */
static bool next_tensor(const kiln_plan *plan, const char **args, kiln_plan_tensor_info *tensor)
{
    while (**args) {
        const char *value = *args + strcspn(*args, "=");
        value += *value == '=';
        size_t length = strcspn(value, " ");
        *args = value + length + strspn(value + length, " ");
        char *name = cli_need(kiln_strndup(value, strcspn(value, " +")));
        bool found = kiln_find_plan_tensor(plan, name, tensor) == KILN_OK;
        free(name);
        if (found)
            return true;
    }
    return false;
}

/* Of each launch; 0 where it is not in a layer's forward pass. A launch without parameters belongs
 * to the latest of those that wrote what it reads. */
static int *find_pieces(const cli_set *set)
{
    int *pieces = cli_need(calloc(set->cost.launches + 1, sizeof *pieces));
    for (size_t i = 0; i < set->cost.launches; i++) {
        const kiln_plan_launch_info *info = &set->launches[i].info;
        const char *args = info->args;
        kiln_plan_tensor_info tensor;
        int own = 0;
        size_t writer = i;
        if (info->phase != KILN_PHASE_FORWARD || info->layer < 0)
            continue;
        while (next_tensor(set->plan, &args, &tensor)) {
            if (tensor.role == KILN_ROLE_PARAMETER)
                own = piece_of_parameter(tensor.name);
            else if (tensor.role == KILN_ROLE_TEMPORARY && tensor.first < i &&
                     (writer == i || tensor.first > writer))
                writer = tensor.first;
        }
        pieces[i] = own ? own : writer < i ? piece_after(pieces[writer]) : 0;
    }
    return pieces;
}

/* ---- sums over launches ------------------------------------------------------------------- */

static double seconds_of(const cli_launch_time *launch, bool measured)
{
    return measured ? launch->measured : launch->info.predicted_s;
}

/* Of the launches in a part. */
static double part_seconds(const cli_set *set, int part, bool measured)
{
    int *pieces = find_pieces(set);
    double sum = 0;
    for (size_t i = 0; i < set->cost.launches; i++)
        if (pieces[i] & part)
            sum += seconds_of(&set->launches[i], measured);
    free(pieces);
    return sum;
}

typedef struct {
    const char *spec;
    double seconds;
} timed_spec;

static int compare_specs(const void *a, const void *b)
{
    return strcmp(((const timed_spec *)a)->spec, ((const timed_spec *)b)->spec);
}

/* Those of forward and backward pass: of the update, which merged weights shorten, no claim is
 * made.
 */
static timed_spec *sort_specs(const cli_set *set, bool measured, size_t *count)
{
    timed_spec *sorted = cli_need(malloc((set->cost.launches + 1) * sizeof *sorted));
    *count = 0;
    for (size_t i = 0; i < set->cost.launches; i++)
        if (set->launches[i].info.phase != KILN_PHASE_UPDATE)
            sorted[(*count)++] =
                (timed_spec){set->launches[i].info.spec, seconds_of(&set->launches[i], measured)};
    qsort(sorted, *count, sizeof *sorted, compare_specs);
    return sorted;
}

/* How many from `at` on have the first one's spec, and their mean time. */
static size_t count_equal(const timed_spec *sorted, size_t at, size_t count, double *mean)
{
    size_t equal = 0;
    double sum = 0;
    while (at + equal < count && strcmp(sorted[at + equal].spec, sorted[at].spec) == 0)
        sum += sorted[at + equal++].seconds;
    *mean = sum / (double)equal;
    return equal;
}

/* What the fused plan takes less, over the launches that are not in both. */
static double saved_seconds(const cli_set *none, const cli_set *fused, bool measured)
{
    size_t b = 0, a = 0, num_b, num_a;
    timed_spec *before = sort_specs(none, measured, &num_b);
    timed_spec *after = sort_specs(fused, measured, &num_a);
    double saved = 0;
    while (b < num_b || a < num_a) {
        double mean_b = 0, mean_a = 0;
        int order = b == num_b ? 1 : a == num_a ? -1 : compare_specs(&before[b], &after[a]);
        size_t of_b = order <= 0 ? count_equal(before, b, num_b, &mean_b) : 0;
        size_t of_a = order >= 0 ? count_equal(after, a, num_a, &mean_a) : 0;
        if (of_b > of_a)
            saved += (double)(of_b - of_a) * mean_b;
        else
            saved -= (double)(of_a - of_b) * mean_a;
        b += of_b;
        a += of_a;
    }
    free(before);
    free(after);
    return saved;
}

/* ---- claims ------------------------------------------------------------------------------ */

typedef enum {
    PART_TIME,  /* of a part, with one fusion */
    STEP_TIME,  /* of all launches */
    LAUNCHES,   /* per layer */
    DISTINCT,   /* kernels by name */
    BYTES,      /* moved */
    ELEMENTWISE /* of these, what norms and elementwise work move */
} subject;

static const struct {
    const char *fusions, *what;
    subject of;
    bool forward; /* of the forward pass alone */
    int part;
    double low, high;
} analysis[] = {
    {"matmul_bias_gelu", "feed-forward block faster", PART_TIME, true, FFN, 15, 20},
    {"matmul_bias_residual", "output projections faster", PART_TIME, true, PROJECTIONS, 10, 15},
    {"layernorm_matmul", "norms and what they feed faster", PART_TIME, true, NORMED, 10, 12},
    {"qkv_projection", "attention faster", PART_TIME, true, ATTENTION, 8, 10},
    {"gelu_matmul", "feed-forward block faster", PART_TIME, true, FFN, 5, 8},
#define ALL_CLAIMS(set, counts, fewer, low_bytes, high_bytes, low, high)                           \
    {set, "launches per layer fewer (" counts ")", LAUNCHES, false, 0, fewer, 0},                  \
        {set, "  of the forward pass", LAUNCHES, true, 0, fewer, 0},                               \
        {set, "distinct kernels fewer (" counts ")", DISTINCT, false, 0, fewer, 0},                \
        {set, "memory traffic less", BYTES, false, 0, low_bytes, high_bytes},                      \
        {set, "  of the forward pass", BYTES, true, 0, low_bytes, high_bytes},                     \
        {set, "elementwise and norm traffic less", ELEMENTWISE, false, 0, low_bytes, high_bytes},  \
        {set, "  of the forward pass", ELEMENTWISE, true, 0, low_bytes, high_bytes},               \
        {set, "step faster", STEP_TIME, false, 0, low, high},                                      \
        {set, "  of the forward pass", STEP_TIME, true, 0, low, high},
    ALL_CLAIMS("top3", "27 to 16", 40, 25, 30, 20, 30)
        ALL_CLAIMS("top5", "27 to 13", 52, 35, 40, 30, 40)};

#define NUM_CLAIMS (sizeof analysis / sizeof *analysis)

const char *cli_claim_fusions(size_t index)
{
    return index < NUM_CLAIMS ? analysis[index].fusions : NULL;
}

/* A sum over the plan, or over its forward pass. */
static double sum_of(const cli_set *set, subject of, bool forward, bool measured)
{
    double sum = 0, layers = set->cost.layers ? (double)set->cost.layers : 1;
    if (of == DISTINCT)
        return (double)set->cost.distinct_kernels;
    if (of == STEP_TIME && measured && !forward)
        return set->measured_s;
    for (size_t i = 0; i < set->cost.launches; i++) {
        const cli_launch_time *launch = &set->launches[i];
        if (forward && launch->info.phase != KILN_PHASE_FORWARD)
            continue;
        sum += of == LAUNCHES    ? (double)(launch->info.layer >= 0) / layers
               : of == BYTES     ? launch->info.cost.bytes
               : of == STEP_TIME ? seconds_of(launch, measured)
                                 : launch->info.elementwise_bytes;
    }
    return sum;
}

static double faster(double before, double saved)
{
    return before > saved ? 100 * (before / (before - saved) - 1) : 0;
}

static double found_time(size_t i, const cli_set *none, const cli_set *set, bool measured)
{
    if (analysis[i].of == PART_TIME)
        return faster(part_seconds(none, analysis[i].part, measured),
                      saved_seconds(none, set, measured));
    double before = sum_of(none, STEP_TIME, analysis[i].forward, measured);
    return faster(before, before - sum_of(set, STEP_TIME, analysis[i].forward, measured));
}

static void find_claim(cli_claim *claim, size_t i, const cli_plan_result *result,
                       const cli_set *none, const cli_set *set)
{
    if (claim->is_count) {
        claim->before = sum_of(none, analysis[i].of, analysis[i].forward, false);
        claim->after = sum_of(set, analysis[i].of, analysis[i].forward, false);
        claim->has_predicted = claim->before > 0;
        claim->predicted = 100 * (1 - claim->after / claim->before);
        return;
    }
    claim->has_predicted = result->has_rates;
    claim->has_measured = none->measured && set->measured;
    if (claim->has_predicted)
        claim->predicted = found_time(i, none, set, false);
    if (claim->has_measured)
        claim->measured = found_time(i, none, set, true);
}

/* Whether a kernel is launched that the unfused plan has none of. */
static bool is_fused(const cli_set *none, const cli_set *set)
{
    for (size_t i = 0; i < set->cost.launches; i++) {
        size_t k = 0;
        while (k < none->cost.launches &&
               strcmp(none->launches[k].info.kernel, set->launches[i].info.kernel) != 0)
            k++;
        if (k == none->cost.launches)
            return true;
    }
    return false;
}

static void judge(cli_claim *claim)
{
    double found = claim->has_measured ? claim->measured : claim->predicted;
    if (!claim->has_place)
        claim->verdict = "no place";
    else if (!claim->has_measured && !claim->has_predicted)
        claim->verdict = NULL;
    else if (found < claim->low)
        claim->verdict = "less";
    else
        claim->verdict = claim->high > 0 && found > claim->high ? "more" : "agrees";
}

void cli_make_claims(cli_plan_result *result)
{
    const cli_set *none = cli_find_set(result, "none", false);
    result->claims = cli_need(calloc(NUM_CLAIMS, sizeof *result->claims));
    for (size_t i = 0; i < NUM_CLAIMS; i++) {
        bool alone = analysis[i].of == PART_TIME;
        const cli_set *set =
            cli_find_set(result, analysis[i].fusions, alone || result->options->force);
        cli_claim *claim = &result->claims[result->num_claims++];
        *claim = (cli_claim){.fusions = analysis[i].fusions,
                             .what = analysis[i].what,
                             .forward = analysis[i].forward,
                             .low = analysis[i].low,
                             .high = analysis[i].high,
                             .is_count = !alone && analysis[i].of != STEP_TIME,
                             .is_bytes = analysis[i].of == BYTES || analysis[i].of == ELEMENTWISE,
                             .has_place = is_fused(none, set)};
        find_claim(claim, i, result, none, set);
        judge(claim);
    }
}
