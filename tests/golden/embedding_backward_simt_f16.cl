#line 1 "kernels.cl.in"
/* embedding_backward_sort: dtable[ids] += dy
 * spec     embedding_backward tokens=? vocab=50000 n=1024 dtype=f16 out_dtype=f32 variant=simt
 * variant  simt  WG=256 PER_ITEM=4 SLICE=4096
 */
#line 4 "access.cl"
typedef float vec1;

#line 51 "access.cl"
static vec1 load1_f32(__global const float *p, ulong i)
{
    return p[i];
}

static void store1_f32(vec1 v, __global float *p, ulong i)
{
    p[i] = v;
}
#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 1 "embedding_sort_simt.cl"
/* order = the tokens sorted by id, those of one id in their order; -1 behind them for each id
 * outside the table.
 *
 * A group of 256 takes a slice of 4096 ids. It counts the tokens whose ids are below the slice,
 * which says where its own part of the order starts, and the tokens of each of its ids; then it
 * puts them into their places. 256 tokens are looked at a time; of those with the same id the last
 * one counts for all. So all ids are looked at in each slice: tokens * vocab / 4096 comparisons,
 * and 256 for each token. Nothing depends on who comes first, and nothing is atomic.
 */

/* a[i] becomes the sum of a[0] to a[i]. */
static void sum_up(__local int *a, int lid)
{
    for (int d = 1; d < 256; d *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        const int left = lid >= d ? a[lid - d] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        a[lid] += left;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void embedding_backward_sort(__global const int *restrict ids, const ulong ids_offset,
                             __global const half *restrict dy, const ulong dy_offset,
                             __global float *restrict dtable, const ulong dtable_offset,
                             const long tokens,
                             __global float *restrict sorted)
#line 24 "embedding_sort_simt.cl"
{
    ids += ids_offset;
    dy += dy_offset;
    dtable += dtable_offset;
#line 26 "embedding_sort_simt.cl"
    __global int *order = (__global int *)sorted;
    __local int place[4096], keys[256], sums[256];
    const int lid = (int)get_local_id(0);
    const ulong count = tokens;
    const uint low = (uint)get_group_id(0) * 4096;
    const uint size = min((uint)4096, (uint)50000 - low);
    /* An id below 0 is above all others as an unsigned number. */
    int below = 0, own = 0;
    for (ulong t = lid; t < count; t += 256) {
        const uint id = (uint)ids[t];
        below += id < low;
        own += id - low < size;
    }
    sums[lid] = below;
    keys[lid] = own;
    sum_up(sums, lid);
    sum_up(keys, lid);
    below = sums[255];
    own = keys[255];
    if (get_group_id(0) == get_num_groups(0) - 1)
        for (ulong p = (ulong)below + own + lid; p < count; p += 256)
            order[p] = -1;

    const ulong stop = own > 0 ? count : 0;
    for (int k = lid; k < 4096; k += 256)
        place[k] = 0;
#line 69 "embedding_sort_simt.cl"
    for (ulong t0 = 0; t0 < stop; t0 += 256) {
        const ulong t = t0 + lid;
        barrier(CLK_LOCAL_MEM_FENCE);
        keys[lid] = t < count && (uint)ids[t] - low < size ? ids[t] - (int)low : -1;
        barrier(CLK_LOCAL_MEM_FENCE);
        sums[lid] = 0;
        const int key = keys[lid];
        if (key >= 0) {
            int earlier = 0, later = 0;
            for (int l = 0; l < lid; l++)
                earlier += keys[l] == key;
            for (int l = lid + 1; l < 256; l++)
                later += keys[l] == key;
            const int at = place[key] + earlier;
#line 86 "embedding_sort_simt.cl"
            if (later == 0)
                sums[lid] = at + 1;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (sums[lid] > 0)
            place[keys[lid]] = sums[lid];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#line 54 "embedding_sort_simt.cl"
    /* From counts to places: each work-item sums up a run of ids. */
    const int first = min(lid * 16, 4096);
    const int end = min(first + 16, 4096);
    int before = 0;
    for (int k = first; k < end; k++)
        before += place[k];
    sums[lid] = before;
    sum_up(sums, lid);
    before = below + sums[lid] - before;
    for (int k = first; k < end; k++) {
        const int tokens_of_k = place[k];
        place[k] = before;
        before += tokens_of_k;
    }
#line 69 "embedding_sort_simt.cl"
    for (ulong t0 = 0; t0 < stop; t0 += 256) {
        const ulong t = t0 + lid;
        barrier(CLK_LOCAL_MEM_FENCE);
        keys[lid] = t < count && (uint)ids[t] - low < size ? ids[t] - (int)low : -1;
        barrier(CLK_LOCAL_MEM_FENCE);
        sums[lid] = 0;
        const int key = keys[lid];
        if (key >= 0) {
            int earlier = 0, later = 0;
            for (int l = 0; l < lid; l++)
                earlier += keys[l] == key;
            for (int l = lid + 1; l < 256; l++)
                later += keys[l] == key;
            const int at = place[key] + earlier;
#line 84 "embedding_sort_simt.cl"
            order[at] = (int)t;
#line 86 "embedding_sort_simt.cl"
            if (later == 0)
                sums[lid] = at + 1;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (sums[lid] > 0)
            place[keys[lid]] = sums[lid];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#line 95 "embedding_sort_simt.cl"
}
#line 1 "kernels.cl.in"
/* embedding_backward: dtable[ids] += dy
 * spec     embedding_backward tokens=? vocab=50000 n=1024 dtype=f16 out_dtype=f32 variant=simt
 * variant  simt  WG=256 PER_ITEM=4 SLICE=4096
 */
#line 4 "access.cl"
typedef float vec1;

#line 51 "access.cl"
static vec1 load1_f32(__global const float *p, ulong i)
{
    return p[i];
}

static void store1_f32(vec1 v, __global float *p, ulong i)
{
    p[i] = v;
}
#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 1 "embedding_add_simt.cl"
/* dtable[id] += the rows of dy of this id, one after another in f32, rounded once.
 *
 * A group of 256 looks at 1 places in the order of tokens and at 1024 columns. Where the
 * tokens of an id begin, it adds up all of them: rows of dy are read once, rows of dtable read and
 * written once. Sums of up to 256 rows are added to the total, so that the error of long ones stays
 * small.
 */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void embedding_backward(__global const int *restrict ids, const ulong ids_offset,
                        __global const half *restrict dy, const ulong dy_offset,
                        __global float *restrict dtable, const ulong dtable_offset,
                        const long tokens,
                        __global float *restrict sorted)
#line 9 "embedding_add_simt.cl"
{
    ids += ids_offset;
    dy += dy_offset;
    dtable += dtable_offset;
#line 11 "embedding_add_simt.cl"
    __global const int *order = (__global const int *)sorted;
    const ulong width = 1024, count = tokens;
    const ulong col_blocks = 1;
    const ulong first = get_group_id(0) / col_blocks * 1;
    const ulong stop = min(first + 1, count);
    const ulong col0 = get_group_id(0) % col_blocks * 1024 + get_local_id(0);
    for (ulong p = first; p < stop && order[p] >= 0; p++) {
        const int id = ids[order[p]];
        if (p > 0 && ids[order[p - 1]] == id)
            continue;
        const ulong to = (ulong)id * width;
        float total[4];
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const ulong col = col0 + i * 256;
            total[i] = col < width ? load1_f32(dtable, to + col) : 0.0f;
        }
        ulong q = p;
        int more = 1;
        while (more) {
            float part[4];
            #pragma unroll
            for (int i = 0; i < 4; i++)
                part[i] = 0.0f;
            for (int row = 0; row < 256 && more; row++) {
                const ulong from = (ulong)order[q] * width;
                #pragma unroll
                for (int i = 0; i < 4; i++) {
                    const ulong col = col0 + i * 256;
                    if (col < width)
                        part[i] += load1_f16(dy, from + col);
                }
                q++;
                more = q < count && order[q] >= 0 && ids[order[q]] == id;
            }
            #pragma unroll
            for (int i = 0; i < 4; i++)
                total[i] += part[i];
        }
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const ulong col = col0 + i * 256;
            if (col < width)
                store1_f32(total[i], dtable, to + col);
        }
    }
}
