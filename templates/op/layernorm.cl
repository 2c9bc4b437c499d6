@# stats: the mean of each row, in two floats, and rstd, from a stage in front. The other way, to multiply
@# a as it is by gamma b and to subtract mean times the column sums behind, would save what hardly costs
@# (on PoCL this ran within 2% of the plain product at k=1024 and 4096), and at k=1024 it is off by 3e-5
@# at a mean of 100 deviations and by 3e-3 at 10,000; this by 3e-7 at either.
${v} = ((${v}) - stats[3 * (${row})]) - stats[3 * (${row}) + 1];
@if defined(beta_dtype)
${v} = fma(${v}, stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count}),
    load${w}_${beta_dtype}${part}(${beta}, ${col}${count}));
@else
${v} *= stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count});
@end
