${v} = ((${v}) - stats[3 * (${row})]) - stats[3 * (${row}) + 1];
@if defined(beta_dtype)
${v} = fma(${v}, stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count}),
    load${w}_${beta_dtype}${part}(${beta}, ${col}${count}));
@else
${v} *= stats[3 * (${row}) + 2] * load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count});
@end
