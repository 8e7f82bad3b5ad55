#include "cre2.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <re2/re2.h>
#include <re2/set.h>

// No exception may leave: the caller has no way to catch one.

struct cr_regex {
    RE2 expression;
    cr_regex(const re2::StringPiece &pattern, const RE2::Options &options) : expression(pattern, options) {}
};

struct cr_set {
    RE2::Set expressions;
    explicit cr_set(const RE2::Options &options) : expressions(options, RE2::UNANCHORED) {}
};

static RE2::Options options(int64_t max_memory) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(max_memory);
    return options;
}

static void describe(cr_error *error, const std::string &text) {
    size_t length = std::min(text.size(), sizeof error->text - 1);
    memcpy(error->text, text.data(), length);
    error->text[length] = 0;
}

static re2::StringPiece piece(const uint8_t *bytes, size_t length) {
    return re2::StringPiece(reinterpret_cast<const char *>(bytes), length);
}

cr_regex *cr_regex_new(const uint8_t *pattern, size_t length, int64_t max_memory, cr_error *error) {
    try {
        cr_regex *regex = new cr_regex(piece(pattern, length), options(max_memory));
        if (regex->expression.ok()) return regex;
        describe(error, regex->expression.error());
        delete regex;
    } catch (const std::exception &failure) {
        describe(error, failure.what());
    }
    return nullptr;
}

void cr_regex_free(cr_regex *regex) { delete regex; }

bool cr_regex_search(const cr_regex *regex, const uint8_t *text, size_t length) {
    return regex->expression.Match(piece(text, length), 0, length, RE2::UNANCHORED, nullptr, 0);
}

bool cr_regex_find(const cr_regex *regex, const uint8_t *text, size_t length, size_t start, size_t *match_start, size_t *match_end) {
    re2::StringPiece whole = piece(text, length), found;
    if (!regex->expression.Match(whole, start, length, RE2::UNANCHORED, &found, 1)) return false;
    *match_start = (size_t)(found.data() - whole.data());
    *match_end = *match_start + found.size();
    return true;
}

cr_set *cr_set_new(int64_t max_memory) {
    try {
        return new cr_set(options(max_memory));
    } catch (const std::exception &) {
        return nullptr;
    }
}

void cr_set_free(cr_set *set) { delete set; }

int cr_set_add(cr_set *set, const uint8_t *pattern, size_t length, cr_error *error) {
    try {
        std::string reason;
        int index = set->expressions.Add(piece(pattern, length), &reason);
        if (index < 0) describe(error, reason);
        return index;
    } catch (const std::exception &failure) {
        describe(error, failure.what());
        return -1;
    }
}

bool cr_set_compile(cr_set *set) {
    try {
        return set->expressions.Compile();
    } catch (const std::exception &) {
        return false;
    }
}

int cr_set_search(const cr_set *set, const uint8_t *text, size_t length, int *indexes, size_t capacity) {
    try {
        // Kept from call to call, so that a search that finds nothing allocates nothing.
        static thread_local std::vector<int> found;
        found.clear();
        RE2::Set::ErrorInfo info;
        // Most texts have none of them: whether there is any is less work than which.
        for (std::vector<int> *wanted : {(std::vector<int> *)nullptr, &found}) {
            if (!set->expressions.Match(piece(text, length), wanted, &info)) {
                return info.kind == RE2::Set::kNoError && wanted == nullptr ? 0 : CR_SET_FAILED;
            }
        }
        std::sort(found.begin(), found.end());
        size_t count = std::min(found.size(), capacity);
        std::copy(found.begin(), found.begin() + (std::ptrdiff_t)count, indexes);
        return (int)found.size();
    } catch (const std::exception &) {
        return CR_SET_FAILED;
    }
}
