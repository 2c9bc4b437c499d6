@let FROM 'a'
@let TO 'turned_a'
@let ROWS m
@let LD lda
@include turn.cl
