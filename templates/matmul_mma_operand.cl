@# Operand o of matmul_mma.cl, a (0) or b (1): how its blocks lie, and who brings what. RS: rows from pass to pass.
@let X o ? 'b' : 'a'
@let ALONG o ? trans_b : !trans_a
@let EDGE o ? BN : BM
@let LD o ? packed ? 64 : ldb : LDA
@let PITCH o ? B_PITCH : A_PITCH
@let PARTS ALONG ? BYTES/16 : EDGE/E
@let RS THREADS/PARTS
@let PASSES EDGE*BYTES/16/THREADS
@# A tile has all of its rows.
@let WHOLE_ROWS o ? known(columns) && columns % BN == 0 : known(m) && m % BM == 0
