using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Catalog;

/// <summary>Positional parameters, one after the other.</summary>
internal static class ParameterExtensions
{
    public static NpgsqlParameterCollection With<T>(this NpgsqlParameterCollection parameters, T value)
    {
        parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
        return parameters;
    }

    /// <summary>What <c>push_of</c> takes: id, publisher, and whether it may be anybody's.</summary>
    public static NpgsqlParameterCollection WithPush(this NpgsqlParameterCollection parameters, OwnPush push) =>
        parameters.With(push.Id.Value).With(push.Caller.Publisher).With(push.Caller.IsAdmin);

    /// <summary>Publisher, group and rank.</summary>
    public static NpgsqlParameterCollection WithCaller(this NpgsqlParameterCollection parameters, Caller caller) =>
        parameters.With(caller.Publisher).With(caller.Group).With(caller.Rank);

    public static NpgsqlParameterCollection WithAddress(this NpgsqlParameterCollection parameters, Caller caller) =>
        parameters.WithNullable(caller.Address, NpgsqlDbType.Text);

    /// <summary>What <c>is_told</c> takes.</summary>
    public static NpgsqlParameterCollection WithTold(this NpgsqlParameterCollection parameters, Caller caller) =>
        parameters.WithNullable(caller.ReadsOthers ? null : caller.Publisher, NpgsqlDbType.Text);

    /// <summary>What <c>pushes_of</c> takes, of each item.</summary>
    public static NpgsqlParameterCollection WithPushes<T>(this NpgsqlParameterCollection parameters, IReadOnlyList<T> items,
        Func<T, OwnPush> push) =>
        parameters.With(items.Select(i => push(i).Id.Value).ToArray()).With(items.Select(i => push(i).Caller.Publisher).ToArray())
            .With(items.Select(i => push(i).Caller.IsAdmin).ToArray());

    public static NpgsqlParameterCollection WithQuotas(this NpgsqlParameterCollection parameters, Quotas? quotas) =>
        parameters.WithNullable(quotas?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint);

    public static NpgsqlParameterCollection WithNullable(this NpgsqlParameterCollection parameters, object? value, NpgsqlDbType type)
    {
        parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value, NpgsqlDbType = type });
        return parameters;
    }
}

/// <summary>A push by the id that a client knows it by, and who asks about it.</summary>
internal readonly record struct OwnPush(PushId Id, Caller Caller);
