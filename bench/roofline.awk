# From bench_json's lines (lib.sh) to what roofline.gp draws: points with numbers that overlap neither
# each other nor points nor the roof, lines from a number to its point, and a bar for each kernel, with
# its number and name. Into files in dir. Lines come sorted: by ceiling, then percent.
#
# Numbers are placed one after the other, each as near to its point as there is room. All in pixels of
# a chart of a known size; roofline.gp has the same margins.

BEGIN {
    WIDTH = 1660; HEIGHT = 900
    LEFT = 90; RIGHT = 1010; BOTTOM = 70; TOP = 840
    CHAR = 7.6; LINE = 14
    PI = atan2(0, -1)
}

function px(x) { return LEFT + (RIGHT - LEFT) * log(x / X_MIN) / log(X_MAX / X_MIN) }
function py(y) { return BOTTOM + (TOP - BOTTOM) * log(y / y_min) / log(y_max / y_min) }
function data_x(p) { return X_MIN * exp((p - LEFT) / (RIGHT - LEFT) * log(X_MAX / X_MIN)) }
function data_y(p) { return y_min * exp((p - BOTTOM) / (TOP - BOTTOM) * log(y_max / y_min)) }
function roof(x) { return x * bandwidth < peak ? x * bandwidth : peak }

# The kernel, and what tells it from others of its name.
function name_of(spec, part, n, i, name, m) {
    n = split(spec, part, " ")
    name = part[1]
    for (i = 2; i <= n; i++) {
        if (part[i] ~ /^dtype=/ && part[i] != "dtype=f32")
            name = name " " substr(part[i], 7)
        if (part[i] ~ /^approx=/ && name ~ /^gelu$/)
            name = name " " substr(part[i], 8)
        if (part[i] == "causal=1")
            name = name " causal"
        if (part[i] ~ /^m=([0-9]|[0-9][0-9])$/)
            name = name " " part[i]
    }
    return name
}

{
    device = $2
    peak = $9
    bandwidth = $10
    if (!(peak > 0 && bandwidth > 0)) {
        print "roofline: the results have no ceilings" >"/dev/stderr"
        failed = 1
        exit 1
    }
    number++
    printf "%d\t%g\t%d %s\t%.1f\n", number, $7, number, name_of($1), $7 >(dir "/bars_" $8)
    most = $7 > most ? $7 : most
    if ($3 == 0) # it has no place on a logarithm's axis
        next
    count++
    name[count] = number
    x[count] = $3 / $4
    y[count] = $5
    bound[count] = $8
}

# Whether a box is free: of points, labels, lines to labels, and the roof.
function is_free(l, b, r, t, i, low, high) {
    if (l < LEFT + 2 || r > RIGHT - 2 || b < BOTTOM + 2 || t > TOP - 2)
        return 0
    low = py(roof(data_x(l)))
    high = py(roof(data_x(r)))
    if (b < high + 3 && t > low - 3)
        return 0
    for (i = 1; i <= count; i++)
        if (l < point_x[i] + 6 && r > point_x[i] - 6 && b < point_y[i] + 6 && t > point_y[i] - 6)
            return 0
    for (i = 1; i <= boxes; i++)
        if (l < box_r[i] + 4 && r > box_l[i] - 4 && b < box_t[i] && t > box_b[i])
            return 0
    for (i = 1; i <= dots; i++)
        if (l < dot_x[i] && r > dot_x[i] && b < dot_y[i] && t > dot_y[i])
            return 0
    return 1
}

function keep(l, b, r, t) {
    boxes++
    box_l[boxes] = l; box_r[boxes] = r; box_b[boxes] = b; box_t[boxes] = t
}

# Whether a line crosses no label.
function is_clear(x0, y0, x1, y1, s, i, at_x, at_y) {
    for (s = 0; s <= 20; s++) {
        at_x = x0 + (x1 - x0) * s / 20
        at_y = y0 + (y1 - y0) * s / 20
        for (i = 1; i <= boxes; i++)
            if (at_x > box_l[i] && at_x < box_r[i] && at_y > box_b[i] && at_y < box_t[i])
                return 0
    }
    return 1
}

function place(i, radius, turn, angle, ax, ay, l, b, width, ex, ey, s) {
    width = CHAR * length(name[i])
    for (radius = 9; radius < 500; radius += 5)
        for (turn = 0; turn < 48; turn++) {
            angle = way[i] + PI * (turn % 2 ? -1 : 1) * int((turn + 1) / 2) / 24
            ax = point_x[i] + radius * cos(angle)
            ay = point_y[i] + radius * sin(angle)
            l = ax - width * (1 - cos(angle)) / 2
            b = ay - LINE / 2
            if (!is_free(l, b, l + width, b + LINE))
                continue
            # The end of its line: the nearest place of the box.
            ex = point_x[i] < l ? l - 2 : point_x[i] > l + width ? l + width + 2 : point_x[i]
            ey = point_y[i] < b ? b : point_y[i] > b + LINE ? b + LINE : point_y[i]
            if (!is_clear(point_x[i], point_y[i], ex, ey))
                continue
            keep(l, b, l + width, b + LINE)
            for (s = 0; s <= 20; s++) {
                dots++
                dot_x[dots] = point_x[i] + (ex - point_x[i]) * s / 20
                dot_y[dots] = point_y[i] + (ey - point_y[i]) * s / 20
            }
            printf "%.6g\t%.6g\t%s\n", data_x(l), data_y(ay), name[i] >(dir "/labels")
            if ((ex - point_x[i]) ^ 2 + (ey - point_y[i]) ^ 2 > 100)
                printf "%.6g\t%.6g\t%.6g\t%.6g\n", x[i], y[i], data_x(ex), data_y(ey) >(dir "/lines")
            return 1
        }
    print "roofline: there is no room for the label of " name[i] >"/dev/stderr"
    return 0
}

# How many points are near, and which way leads away from them: the crowded ones come first.
function crowd(i, j, n, sum_x, sum_y) {
    for (j = 1; j <= count; j++)
        if ((point_x[i] - point_x[j]) ^ 2 + (point_y[i] - point_y[j]) ^ 2 < 10000) {
            n++
            sum_x += point_x[j]
            sum_y += point_y[j]
        }
    way[i] = n > 2 ? atan2(point_y[i] - sum_y / n, point_x[i] - sum_x / n) : 0
    return n
}

END {
    if (failed || !count)
        exit 1
    X_MIN = x[1]
    X_MAX = 2 * peak / bandwidth # the roof's corner is on the chart
    y_min = y[1]
    for (i = 1; i <= count; i++) {
        X_MIN = x[i] < X_MIN ? x[i] : X_MIN
        X_MAX = x[i] > X_MAX ? x[i] : X_MAX
        y_min = y[i] < y_min ? y[i] : y_min
    }
    X_MIN /= 1.5
    X_MAX *= 2
    y_min /= 3
    y_max = 3 * peak
    for (i = 1; i <= count; i++) {
        point_x[i] = px(x[i])
        point_y[i] = py(y[i])
        print x[i] "\t" y[i] >(dir "/" bound[i])
    }
    for (i = 1; i <= count; i++)
        near[i] = crowd(i)
    # Room for the words along the roof.
    keep(RIGHT - 36 * CHAR, py(peak) + 2, RIGHT, py(peak) + 24)
    slope = atan2(log(X_MAX / X_MIN) * (TOP - BOTTOM), log(y_max / y_min) * (RIGHT - LEFT))
    word_x = data_x(px(peak / bandwidth) - 32 * CHAR * cos(slope))
    for (k = 0; k < 30 * CHAR; k += CHAR) {
        left = px(word_x) + k * cos(slope)
        low = py(roof(word_x)) + k * sin(slope)
        keep(left - 14, low, left + CHAR, low + 30)
    }
    printf "" >(dir "/lines")
    for (k = 1; k <= count; k++) {
        best = 0
        for (i = 1; i <= count; i++)
            if (!done[i] && (!best || near[i] > near[best]))
                best = i
        done[best] = 1
        place(best)
    }
    printf "" >>(dir "/memory")
    printf "" >>(dir "/arithmetic")
    values = dir "/values.gp"
    printf "width = %d; height = %d\n", WIDTH, HEIGHT >values
    printf "left = %g; right = %g; bottom = %g; top = %g\n", LEFT / WIDTH, RIGHT / WIDTH,
        BOTTOM / HEIGHT, TOP / HEIGHT >values
    printf "x_min = %g; x_max = %g; y_min = %.6g; y_max = %.6g\n", X_MIN, X_MAX, y_min, y_max >values
    printf "peak = %.6g; bandwidth = %.6g\n", peak, bandwidth >values
    printf "word_x = %.6g; slope = %.6g\n", word_x, slope * 180 / PI >values
    printf "device = \"%s\"\n", device >values
    printf "bars = %d; most = %g\n", number, (most > 100 ? most : 100) >values
    printf "" >>(dir "/bars_memory")
    printf "" >>(dir "/bars_arithmetic")
}
