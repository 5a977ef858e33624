/* SPDX-License-Identifier: MIT */
/* The intrusive list and queue of src/base. */
#include "base/list.h"
#include "base/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct thing {
    int before;
    struct edo_link link;
    int number;
};

struct item {
    int number;
    struct edo_queue_link link;
};

/* Checks the ring in both directions and that it holds exactly these numbers. */
static void expect_list(const struct edo_link *list, const int *numbers, size_t count)
{
    const struct edo_link *link = list;

    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(link->next->prev, link);
        link = link->next;
        assert_ptr_not_equal(link, list);
        assert_int_equal(EDO_CONTAINER_OF((struct edo_link *)(uintptr_t)link, struct thing, link)->number, numbers[i]);
    }
    assert_ptr_equal(link->next, list);
    assert_ptr_equal(list->prev, link);
    assert_int_equal(edo_list_empty(list), count == 0);
}

#define EXPECT_LIST(list, ...)                                                                                         \
    expect_list(list, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void number(struct thing *things, size_t count)
{
    for (size_t i = 0; i < count; i++)
        things[i] = (struct thing){.number = (int)i};
}

static void test_container_of_undoes_taking_a_members_address(void **state)
{
    struct thing thing;
    struct item item;

    (void)state;
    assert_ptr_equal(EDO_CONTAINER_OF(&thing.link, struct thing, link), &thing);
    assert_ptr_equal(EDO_CONTAINER_OF(&thing.before, struct thing, before), &thing);
    assert_ptr_equal(EDO_CONTAINER_OF(&item.link, struct item, link), &item);
}

static void test_list_starts_empty(void **state)
{
    struct edo_link list;

    (void)state;
    edo_list_init(&list);
    expect_list(&list, NULL, 0);
    assert_null(edo_list_first(&list));
    assert_null(edo_list_last(&list));
    assert_null(edo_list_take_first(&list));
}

static void test_list_keeps_order_at_both_ends(void **state)
{
    struct thing things[4];
    struct edo_link list;

    (void)state;
    number(things, 4);
    edo_list_init(&list);
    edo_list_insert_tail(&list, &things[1].link);
    edo_list_insert_tail(&list, &things[2].link);
    edo_list_insert_head(&list, &things[0].link);
    edo_list_insert_tail(&list, &things[3].link);
    EXPECT_LIST(&list, 0, 1, 2, 3);
    assert_ptr_equal(edo_list_first(&list), &things[0].link);
    assert_ptr_equal(edo_list_last(&list), &things[3].link);
    assert_ptr_equal(edo_list_next(&list, &things[0].link), &things[1].link);
    assert_null(edo_list_next(&list, &things[3].link));
}

static void test_list_removes_from_anywhere_and_forgets(void **state)
{
    struct thing things[4];
    struct edo_link list;

    (void)state;
    number(things, 4);
    edo_list_init(&list);
    for (int i = 0; i < 4; i++) {
        assert_false(edo_list_linked(&things[i].link));
        edo_list_insert_tail(&list, &things[i].link);
        assert_true(edo_list_linked(&things[i].link));
    }
    edo_list_remove(&things[1].link);
    EXPECT_LIST(&list, 0, 2, 3);
    assert_false(edo_list_linked(&things[1].link));
    assert_null(things[1].link.prev);
    edo_list_remove(&things[3].link);
    EXPECT_LIST(&list, 0, 2);
    edo_list_insert_head(&list, &things[1].link);
    EXPECT_LIST(&list, 1, 0, 2);
    assert_ptr_equal(edo_list_take_first(&list), &things[1].link);
    assert_ptr_equal(edo_list_take_first(&list), &things[0].link);
    assert_ptr_equal(edo_list_take_first(&list), &things[2].link);
    expect_list(&list, NULL, 0);
    for (int i = 0; i < 4; i++)
        assert_false(edo_list_linked(&things[i].link));
}

static void test_list_append_moves_everything_in_order(void **state)
{
    struct thing things[4];
    struct edo_link list, other;

    (void)state;
    number(things, 4);
    edo_list_init(&list);
    edo_list_init(&other);
    edo_list_append(&list, &other);
    expect_list(&list, NULL, 0);

    edo_list_insert_tail(&other, &things[0].link);
    edo_list_insert_tail(&other, &things[1].link);
    edo_list_append(&list, &other);
    EXPECT_LIST(&list, 0, 1);
    expect_list(&other, NULL, 0);

    edo_list_insert_tail(&other, &things[2].link);
    edo_list_insert_tail(&other, &things[3].link);
    edo_list_append(&list, &other);
    EXPECT_LIST(&list, 0, 1, 2, 3);
    expect_list(&other, NULL, 0);

    edo_list_append(&list, &other);
    EXPECT_LIST(&list, 0, 1, 2, 3);
}

static void expect_pop(struct edo_queue *queue, struct item *item)
{
    struct edo_queue_link *link = edo_queue_pop(queue);

    assert_ptr_equal(link, &item->link);
    assert_null(link->next);
}

static void test_queue_zero_is_empty(void **state)
{
    struct edo_queue zero = {0}, queue = {(void *)&zero, (void *)&zero};

    (void)state;
    edo_queue_init(&queue);
    assert_true(edo_queue_empty(&queue));
    assert_true(edo_queue_empty(&zero));
    assert_null(edo_queue_first(&zero));
    assert_null(edo_queue_pop(&zero));
}

static void test_queue_is_first_in_first_out(void **state)
{
    struct item items[4] = {{0}};
    struct edo_queue queue = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        edo_queue_push(&queue, &items[0].link);
        edo_queue_push(&queue, &items[1].link);
        assert_false(edo_queue_empty(&queue));
        assert_ptr_equal(edo_queue_first(&queue), &items[0].link);
        expect_pop(&queue, &items[0]);
        edo_queue_push(&queue, &items[2].link);
        expect_pop(&queue, &items[1]);
        expect_pop(&queue, &items[2]);
        assert_null(edo_queue_pop(&queue));
        assert_true(edo_queue_empty(&queue));
    }
}

static void test_queue_push_front_comes_before_everything(void **state)
{
    struct item items[3] = {{0}};
    struct edo_queue queue = {0};

    (void)state;
    edo_queue_push_front(&queue, &items[1].link);
    edo_queue_push(&queue, &items[2].link);
    edo_queue_push_front(&queue, &items[0].link);
    for (int i = 0; i < 3; i++)
        expect_pop(&queue, &items[i]);
    assert_true(edo_queue_empty(&queue));
}

static void test_queue_append_moves_everything_in_order(void **state)
{
    struct item items[5] = {{0}};
    struct edo_queue queue = {0}, other = {0};

    (void)state;
    edo_queue_append(&queue, &other);
    assert_true(edo_queue_empty(&queue));
    edo_queue_push(&other, &items[0].link);
    edo_queue_push(&other, &items[1].link);
    edo_queue_append(&queue, &other);
    assert_true(edo_queue_empty(&other));
    edo_queue_push(&other, &items[2].link);
    edo_queue_push(&other, &items[3].link);
    edo_queue_append(&queue, &other);
    assert_true(edo_queue_empty(&other));
    edo_queue_append(&queue, &other);
    edo_queue_push(&queue, &items[4].link);
    for (int i = 0; i < 5; i++)
        expect_pop(&queue, &items[i]);
    assert_true(edo_queue_empty(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container_of_undoes_taking_a_members_address),
        cmocka_unit_test(test_list_starts_empty),
        cmocka_unit_test(test_list_keeps_order_at_both_ends),
        cmocka_unit_test(test_list_removes_from_anywhere_and_forgets),
        cmocka_unit_test(test_list_append_moves_everything_in_order),
        cmocka_unit_test(test_queue_zero_is_empty),
        cmocka_unit_test(test_queue_is_first_in_first_out),
        cmocka_unit_test(test_queue_push_front_comes_before_everything),
        cmocka_unit_test(test_queue_append_moves_everything_in_order),
    };

    return cmocka_run_group_tests_name("base/list", tests, NULL, NULL);
}
