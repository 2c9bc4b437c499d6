@# parts[share][column]: a share's first row starts a sum. Behind a row's end there is room for a vector.
@# A template that sums in registers says into which.
@if defined(into)
${into} += ${v};
@else
{
    __global float *part = parts + (ulong)${share} * ${PADDED} + ${col};
    const int opens = ${opens};
@if w == '1'
    *part = opens ? ${v} : *part + ${v};
@else
    vstore${w}(opens ? ${v} : vload${w}(0, part) + ${v}, 0, part);
@end
}
@end
