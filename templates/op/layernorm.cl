@# stats: the mean of each row, in two floats, and rstd, from a stage in front. The other way is to
@# multiply a as it is by gamma b and to subtract mean times the column sums behind. That would save
@# hardly anything on PoCL (layernorm and product apart against this: m512 n4096 k256 1.00, k1024 1.00,
@# 512 x 1024 x 1024 1.01 in f32), and at k=1024 it is off by 3e-5 at a mean of 100 deviations and by
@# 3e-3 at 10,000; this by 3e-7 at either.
${v} = ((${v}) - stats[3 * (${row})]) - stats[3 * (${row}) + 1];
@if defined(beta_dtype)
${v} = fma(${v}, stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count}),
    load${w}_${beta_dtype}${part}(${beta}, ${col}${count}));
@else
${v} *= stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count});
@end
