//! The rounds of Keccak-f\[1600\], written once for registers of any width.
//!
//! They are macros and no generic functions: a function is only inlined into code with at least
//! its own CPU features, features cannot be a type parameter, and a round is too long for the
//! compiler to inline it unasked. The module that invokes them brings the operations, as short
//! `#[inline]` functions with the features it needs:
//!
//! | operation | means |
//! |---|---|
//! | `splat(u64)` | a register with the same word in every lane |
//! | `xor(a, b)`, `xor3(a, b, c)` | exclusive or |
//! | `chi(a, b, c)` | `a ^ (!b & c)` |
//! | `rol::<N>(a)` | rotate left by `N`, 1..64 |
//!
//! The state index is `x + 5 * y`, as in `qmtree_proofs::keccak`.

/// Keccak-f\[1600\] of one absorbed and padded state per lane: 25 registers in, the four of the
/// digest out.
macro_rules! permute_short {
    ($state:expr) => {{
        let [first, middle @ .., last] = &qmtree_proofs::keccak::ROUND_CONSTANTS;
        // The first round stands alone, so that words known to be zero fold away, and the last,
        // so that the compiler drops the words that are no digest.
        let mut state = round!($state, *first);
        // Two at a time: half as many moves back to the registers where the loop starts.
        for [even, odd] in middle.as_chunks::<2>().0 {
            state = round!(state, *even);
            state = round!(state, *odd);
        }
        let [d0, d1, d2, d3, ..] = round!(state, *last);
        [d0, d1, d2, d3]
    }};
}

/// Keccak-f\[1600\] of one state per lane, all 25 registers: for messages of more than one block.
macro_rules! permute {
    ($state:expr) => {{
        let mut state = $state;
        for [even, odd] in qmtree_proofs::keccak::ROUND_CONSTANTS.as_chunks::<2>().0 {
            state = round!(state, *even);
            state = round!(state, *odd);
        }
        state
    }};
}

/// One round: theta, rho and pi word by word, chi row by row, then iota.
macro_rules! round {
    ($state:expr, $constant:expr) => {{
        let a = $state;
        // What theta mixes into column x: the parity of column x - 1 and, turned, of column x + 1.
        let c0 = xor3(xor3(a[0], a[5], a[10]), a[15], a[20]);
        let c1 = xor3(xor3(a[1], a[6], a[11]), a[16], a[21]);
        let c2 = xor3(xor3(a[2], a[7], a[12]), a[17], a[22]);
        let c3 = xor3(xor3(a[3], a[8], a[13]), a[18], a[23]);
        let c4 = xor3(xor3(a[4], a[9], a[14]), a[19], a[24]);
        let t0 = rol::<1>(c0);
        let t1 = rol::<1>(c1);
        let t2 = rol::<1>(c2);
        let t3 = rol::<1>(c3);
        let t4 = rol::<1>(c4);
        let [r0, r1, r2, r3, r4] = chi_row!(
            xor3(a[0], c4, t1),
            rol::<44>(xor3(a[6], c0, t2)),
            rol::<43>(xor3(a[12], c1, t3)),
            rol::<21>(xor3(a[18], c2, t4)),
            rol::<14>(xor3(a[24], c3, t0))
        );
        let [r5, r6, r7, r8, r9] = chi_row!(
            rol::<28>(xor3(a[3], c2, t4)),
            rol::<20>(xor3(a[9], c3, t0)),
            rol::<3>(xor3(a[10], c4, t1)),
            rol::<45>(xor3(a[16], c0, t2)),
            rol::<61>(xor3(a[22], c1, t3))
        );
        let [r10, r11, r12, r13, r14] = chi_row!(
            rol::<1>(xor3(a[1], c0, t2)),
            rol::<6>(xor3(a[7], c1, t3)),
            rol::<25>(xor3(a[13], c2, t4)),
            rol::<8>(xor3(a[19], c3, t0)),
            rol::<18>(xor3(a[20], c4, t1))
        );
        let [r15, r16, r17, r18, r19] = chi_row!(
            rol::<27>(xor3(a[4], c3, t0)),
            rol::<36>(xor3(a[5], c4, t1)),
            rol::<10>(xor3(a[11], c0, t2)),
            rol::<15>(xor3(a[17], c1, t3)),
            rol::<56>(xor3(a[23], c2, t4))
        );
        let [r20, r21, r22, r23, r24] = chi_row!(
            rol::<62>(xor3(a[2], c1, t3)),
            rol::<55>(xor3(a[8], c2, t4)),
            rol::<39>(xor3(a[14], c3, t0)),
            rol::<41>(xor3(a[15], c4, t1)),
            rol::<2>(xor3(a[21], c0, t2))
        );
        let r0 = xor(r0, splat($constant));
        [
            r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15, r16, r17, r18,
            r19, r20, r21, r22, r23, r24,
        ]
    }};
}

/// Chi of one row of five registers.
macro_rules! chi_row {
    ($b0:expr, $b1:expr, $b2:expr, $b3:expr, $b4:expr) => {{
        let (b0, b1, b2, b3, b4) = ($b0, $b1, $b2, $b3, $b4);
        [
            chi(b0, b1, b2),
            chi(b1, b2, b3),
            chi(b2, b3, b4),
            chi(b3, b4, b0),
            chi(b4, b0, b1),
        ]
    }};
}

pub(super) use {chi_row, permute, permute_short, round};
