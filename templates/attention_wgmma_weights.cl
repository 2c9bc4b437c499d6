@# A part of a kernel: weights as wgmma takes them from registers, two in a word, the first in its low half.
            #pragma unroll
            for (int i = 0; i < ${BK/4}; i++)
                asm("cvt.rn.${dtype}x2.f32 %0, %1, %2;" : "=r"(weights[i]) : "f"(s[2 * i + 1]), "f"(s[2 * i]));
