@let FROM 'b'
@let TO 'turned_b'
@let ROWS columns
@let LD ldb
@include turn.cl
