# Draws the roofline, and the bars beside it, from what roofline.awk wrote into dir. Given: terminal,
# chart, dir.
load dir . "/values.gp"
set terminal terminal size width, height font "DejaVu Sans,12" noenhanced background "white"
set output chart
set datafile separator "\t"
blue = "#1f5fa8"; red = "#c8451b"; grey = "#555555"

set multiplot

# ---- the roofline

set lmargin at screen left
set rmargin at screen right
set bmargin at screen bottom
set tmargin at screen top
set logscale xy
set xrange [x_min:x_max]
set yrange [y_min:y_max]
set xlabel "arithmetic intensity: flop per byte, every input read and every output written once"
set ylabel "GFLOP/s"
set title sprintf("kiln on %s: every kernel under the two ceilings of the same run", device) \
    font "DejaVu Sans,14"
set grid xtics ytics linecolor rgb "#e4e4e4" linewidth 0.5
set tics nomirror
set border 3
unset key
roof(x) = x * bandwidth < peak ? x * bandwidth : peak
set label 1 sprintf("%.4g GFLOP/s: f32 multiply-adds", peak) at x_max, peak right offset 0, 0.7 \
    textcolor rgb grey
set label 2 sprintf("%.4g GB/s: a plain copy", bandwidth) at word_x, word_x * bandwidth left \
    rotate by slope offset 0.5, 1.2 textcolor rgb grey
set samples 500
plot roof(x) with lines linewidth 2 linecolor rgb "#888888", \
    dir . "/lines" using 1:2:($3 - $1):($4 - $2) with vectors nohead linewidth 0.7 linecolor rgb "#a0a0a0", \
    dir . "/memory" with points pointtype 7 pointsize 0.8 linecolor rgb blue, \
    dir . "/arithmetic" with points pointtype 7 pointsize 0.8 linecolor rgb red, \
    dir . "/labels" using 1:2:(strcol(3)) with labels left font "DejaVu Sans,10"

# ---- the bars

unset title

unset label
unset logscale
unset grid
set lmargin at screen 1320.0 / width
set rmargin at screen 1640.0 / width
set xrange [0:most * 1.25]
set yrange [bars + 0.8:0.2]
set ytics (0) nomirror scale 0
set xtics 0, 50
set border 3
set xlabel "percent of the nearer ceiling"
unset ylabel
set label 3 "memory" at screen 1320.0 / width, screen top + 0.025 left textcolor rgb blue
set label 4 "arithmetic" at screen 1400.0 / width, screen top + 0.025 left textcolor rgb red
set label 5 "the nearer ceiling:" at screen 1310.0 / width, screen top + 0.025 right textcolor rgb grey
set arrow 1 from 100, graph 0 to 100, graph 1 nohead linecolor rgb "#888888" linewidth 1.5 front
set style fill solid 0.75
plot dir . "/bars_memory" using (0):1:(0):2:($1 - 0.35):($1 + 0.35):ytic(3) with boxxyerror linecolor rgb blue, \
    dir . "/bars_arithmetic" using (0):1:(0):2:($1 - 0.35):($1 + 0.35):ytic(3) with boxxyerror linecolor rgb red, \
    dir . "/bars_memory" using (most * 1.25):1:(strcol(4)) with labels right font "DejaVu Sans,9", \
    dir . "/bars_arithmetic" using (most * 1.25):1:(strcol(4)) with labels right font "DejaVu Sans,9"
unset multiplot
