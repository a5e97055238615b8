/* SPDX-License-Identifier: Apache-2.0
 *
 * Short rows, where the tree of 16 lanes costs more than the products: COLUMNS b rows are turned into columns,
 * so that each lane of a register belongs to another b row, and the tree is additions of registers, without a
 * shuffle. Registers of b stay where they are while the a rows pass: those of all lanes when they fit, else of
 * half or a quarter of the lanes, in several passes. The operations on each sum, and their order, are those of
 * the canonical one.
 *
 * A file that includes this defines NARROW_LD, the longest row, HELD, the registers of b that it can keep
 * (ld <= 4 HELD), VEC, COLUMNS, LOAD, STORE, FMA, ADD, ALL (one number in all lanes), ZERO,
 * and turn(b, ld, panel), which writes COLUMNS b rows of 16 numbers as 16 lines of COLUMNS.
 */
#define NARROW_ROWS 12 /* fewer a rows do not pay for the turning */
#define NARROW_MOST 64 /* a rows at a time */

/* Lane l of the sums of an a row with COLUMNS b rows. */
static inline VEC lane(const float *a, const float *panel, int64_t ld, int l)
{
    VEC s = ZERO;

    for (int64_t i = l; i < ld; i += WNI_LANES)
        s = FMA(ALL(a + i), LOAD(panel + i * COLUMNS), s);
    return s;
}

/* Lanes l and l + 8, then l + 4 with its own, then l + 2. */
static inline VEC lanes8(const float *a, const float *panel, int64_t ld, int l)
{
    return ADD(lane(a, panel, ld, l), lane(a, panel, ld, l + 8));
}

static inline VEC lanes4(const float *a, const float *panel, int64_t ld, int l)
{
    return ADD(lanes8(a, panel, ld, l), lanes8(a, panel, ld, l + 4));
}

static inline VEC lanes2(const float *a, const float *panel, int64_t ld, int l)
{
    return ADD(lanes4(a, panel, ld, l), lanes4(a, panel, ld, l + 2));
}

/* ld is a constant where the following are inlined. */
static inline void one_pass(const float *a, int64_t m, const float *panel, int64_t ld, float *out,
                            int64_t ldo)
{
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo,
              ADD(lanes2(a + i * ld, panel, ld, 0), lanes2(a + i * ld, panel, ld, 1)));
}

static inline void two_passes(const float *a, int64_t m, const float *panel, int64_t ld, float *out,
                              int64_t ldo)
{
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo, lanes2(a + i * ld, panel, ld, 0));
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo, ADD(LOAD(out + i * ldo), lanes2(a + i * ld, panel, ld, 1)));
}

/* `odd` has room for m lines of COLUMNS. */
static inline void four_passes(const float *a, int64_t m, const float *panel, int64_t ld,
                               float *odd, float *out, int64_t ldo)
{
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo, lanes4(a + i * ld, panel, ld, 0));
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo, ADD(LOAD(out + i * ldo), lanes4(a + i * ld, panel, ld, 2)));
    for (int64_t i = 0; i < m; i++)
        STORE(odd + i * COLUMNS, lanes4(a + i * ld, panel, ld, 1));
    for (int64_t i = 0; i < m; i++)
        STORE(out + i * ldo, ADD(LOAD(out + i * ldo),
                                 ADD(LOAD(odd + i * COLUMNS), lanes4(a + i * ld, panel, ld, 3))));
}

/* n a multiple of COLUMNS; ld is a constant where this is inlined. */
static inline void narrow(const float *a, int64_t m, const float *b, int64_t n, int64_t ld,
                          float *out, int64_t ldo)
{
    float panel[NARROW_LD * COLUMNS] __attribute__((aligned(64)));
    float odd[NARROW_MOST * COLUMNS] __attribute__((aligned(64)));

    for (int64_t j = 0; j < n; j += COLUMNS) {
        for (int64_t i = 0; i < ld; i += WNI_LANES)
            turn(b + j * ld + i, ld, panel + i * COLUMNS);
        for (int64_t i = 0; i < m; i += NARROW_MOST) {
            const int64_t rows = m - i < NARROW_MOST ? m - i : NARROW_MOST;

            if (ld <= HELD)
                one_pass(a + i * ld, rows, panel, ld, out + i * ldo + j, ldo);
            else if (ld <= 2 * HELD)
                two_passes(a + i * ld, rows, panel, ld, out + i * ldo + j, ldo);
            else
                four_passes(a + i * ld, rows, panel, ld, odd, out + i * ldo + j, ldo);
        }
    }
}

/* n a multiple of COLUMNS, ld at most NARROW_LD. */
static void narrow_dots(const float *a, int64_t m, const float *b, int64_t n, int64_t ld,
                        float *out, int64_t ldo)
{
    if (ld == 16)
        narrow(a, m, b, n, 16, out, ldo);
    else if (ld == 32)
        narrow(a, m, b, n, 32, out, ldo);
    else if (ld == 48)
        narrow(a, m, b, n, 48, out, ldo);
#if NARROW_LD == 64
    else
        narrow(a, m, b, n, 64, out, ldo);
#endif
}
