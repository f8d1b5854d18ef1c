/* One row of every stride-th pixel, each of so many bytes; beyond the end the last one again. */
static void pick_row(const void *from, int height, int width, int bytes, int stride, int first, int y, int columns, void *to)
{
    const int i = y * stride + first < height ? y * stride + first : height - 1;
    int column;
    for (column = 0; column < columns; column++) {
        const int j = column * stride + first < width ? column * stride + first : width - 1;
        memcpy((uint8_t *)to + (long)column * bytes, (const uint8_t *)from + ((long)i * width + j) * bytes, (size_t)bytes);
    }
}
