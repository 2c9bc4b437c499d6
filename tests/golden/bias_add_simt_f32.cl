#line 1 "kernels.cl.in"
/* bias_add: y = x + bias
 * spec     bias_add m=100 n=33 dtype=f32 variant=simt
 * variant  simt  WG=256 PER_ITEM=8
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

#line 1 "elementwise_simt.cl"
/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A group of 256 takes a block of 2048 elements; a work-item takes every 256th, so that
 * neighbours touch neighbours. A column is found by division once, then from the one before.
 */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void bias_add(__global const float *x, const ulong x_offset,
              __global const float *restrict bias, const ulong bias_offset,
              __global float *y, const ulong y_offset)
#line 7 "elementwise_simt.cl"
{
    x += x_offset;
    bias += bias_offset;
    y += y_offset;
#line 9 "elementwise_simt.cl"
    const ulong length = 33;
    const ulong first = (ulong)get_group_id(0) * 2048;
    const ulong left = (ulong)3300 - first;
    const int lid = (int)get_local_id(0);
    const ulong step = 256 % length;
    ulong col = (first + lid) % length;
    for (int i = lid; i < 2048 && (ulong)i < left; i += 256) {
        const ulong at = first + i;
        float v;
#line 1 "op/load.cl"
        v = load1_f32(x, at);
#line 1 "op/bias.cl"
        v += load1_f32(bias, col);
#line 6 "op/store.cl"
        store1_f32(v, y, at);
#line 20 "elementwise_simt.cl"
        col += step;
        if (col >= length)
            col -= length;
    }
}
