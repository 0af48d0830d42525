// SPDX-License-Identifier: BSD-2-Clause
// snprintf without floating point; stdio.h lists what it understands.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *buffer;
    size_t size, length; // length counts also what did not fit
};

struct spec {
    bool left, zero;
    int width;
    int precision; // -1: none
};

static void put(struct out *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void fill(struct out *out, char c, int count)
{
    for (; count > 0; count--)
        put(out, c);
}

static void put_text(struct out *out, const struct spec *spec, const char *text, int length)
{
    if (!spec->left)
        fill(out, ' ', spec->width - length);
    for (int i = 0; i < length; i++)
        put(out, text[i]);
    if (spec->left)
        fill(out, ' ', spec->width - length);
}

static void put_number(struct out *out, const struct spec *spec, const char *prefix, uint64_t value,
                       unsigned base, bool upper)
{
    char digits[20]; // of UINT64_MAX in base 10
    int count = 0, zeros, prefix_length = (int)strlen(prefix);

    for (; value; value /= base)
        digits[count++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    if (!count && spec->precision)
        digits[count++] = '0';
    zeros = spec->precision - count;
    if (spec->precision < 0 && spec->zero && !spec->left)
        zeros = spec->width - count - prefix_length;
    if (zeros < 0)
        zeros = 0;
    if (!spec->left)
        fill(out, ' ', spec->width - zeros - count - prefix_length);
    while (*prefix)
        put(out, *prefix++);
    fill(out, '0', zeros);
    for (int i = count; i > 0; i--)
        put(out, digits[i - 1]);
    if (spec->left)
        fill(out, ' ', spec->width - zeros - count - prefix_length);
}

// Digits or an asterisk; saturates instead of overflowing.
static const char *read_int(const char *format, int *value, int star)
{
    if (*format == '*') {
        *value = star;
        return format + 1;
    }
    *value = 0;
    for (; *format >= '0' && *format <= '9'; format++)
        *value = *value > 99999 ? *value : *value * 10 + (*format - '0');
    return format;
}

enum size { SIZE_CHAR, SIZE_SHORT, SIZE_INT, SIZE_LONG };

static const char *read_size(const char *format, enum size *size)
{
    *size = SIZE_INT;
    if (*format == 'h') {
        *size = format[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return format + (format[1] == 'h' ? 2 : 1);
    }
    if (*format == 'l' || *format == 'z' || *format == 'j' || *format == 't') {
        *size = SIZE_LONG;
        return format + (*format == 'l' && format[1] == 'l' ? 2 : 1);
    }
    return format;
}

static uint64_t narrow(uint64_t value, enum size size, bool is_signed)
{
    switch (size) {
    case SIZE_CHAR:
        return is_signed ? (uint64_t)(int8_t)value : (uint8_t)value;
    case SIZE_SHORT:
        return is_signed ? (uint64_t)(int16_t)value : (uint16_t)value;
    case SIZE_INT:
        return is_signed ? (uint64_t)(int32_t)value : (uint32_t)value;
    default:
        return value;
    }
}

int vsnprintf(char *restrict buffer, size_t size, const char *restrict format, va_list arguments)
{
    struct out out = {buffer, size, 0};

    while (*format) {
        const char *start = format;
        struct spec spec = {false, false, 0, -1};
        enum size argument_size;
        uint64_t value;

        if (*format++ != '%') {
            put(&out, *start);
            continue;
        }
        for (;; format++) {
            if (*format == '-')
                spec.left = true;
            else if (*format == '0')
                spec.zero = true;
            else
                break;
        }
        format = read_int(format, &spec.width, *format == '*' ? va_arg(arguments, int) : 0);
        if (spec.width < 0) {
            spec.left = true;
            spec.width = spec.width == INT32_MIN ? INT32_MAX : -spec.width;
        }
        if (*format == '.') {
            format++;
            format = read_int(format, &spec.precision, *format == '*' ? va_arg(arguments, int) : 0);
        }
        format = read_size(format, &argument_size);
        switch (*format) {
        case 'd':
        case 'i':
            value = argument_size == SIZE_LONG ? (uint64_t)va_arg(arguments, long)
                                               : (uint64_t)va_arg(arguments, int);
            value = narrow(value, argument_size, true);
            if ((int64_t)value < 0)
                put_number(&out, &spec, "-", -value, 10, false);
            else
                put_number(&out, &spec, "", value, 10, false);
            break;
        case 'u':
        case 'x':
        case 'X':
            value = argument_size == SIZE_LONG ? va_arg(arguments, unsigned long)
                                               : va_arg(arguments, unsigned);
            value = narrow(value, argument_size, false);
            put_number(&out, &spec, "", value, *format == 'u' ? 10 : 16, *format == 'X');
            break;
        case 'p':
            put_number(&out, &spec, "0x", (uintptr_t)va_arg(arguments, void *), 16, false);
            break;
        case 'c': {
            char c = (char)va_arg(arguments, int);
            put_text(&out, &spec, &c, 1);
            break;
        }
        case 's': {
            const char *text = va_arg(arguments, const char *);
            size_t limit = spec.precision < 0 ? INT32_MAX : (size_t)spec.precision;

            if (!text)
                text = "(null)";
            put_text(&out, &spec, text, (int)strnlen(text, limit));
            break;
        }
        case '%':
            put(&out, '%');
            break;
        default: // not understood: as it stands
            for (const char *at = start; at < format; at++)
                put(&out, *at);
            continue;
        }
        format++;
    }
    if (size)
        buffer[out.length < size ? out.length : size - 1] = 0;
    return out.length > INT32_MAX ? INT32_MAX : (int)out.length;
}

int snprintf(char *restrict buffer, size_t size, const char *restrict format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
