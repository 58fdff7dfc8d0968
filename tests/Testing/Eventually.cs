using System.Diagnostics;

namespace OrleansCache.Testing;

/// <summary>Waits for a condition instead of for time to pass.</summary>
public static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Returns as soon as the condition holds.</summary>
    /// <param name="condition">Asked again and again; an exception counts as "not yet" and is shown at the end.</param>
    /// <param name="timeout">How long a broken program may keep the test waiting; 60 s if left out. Generous: it costs nothing when all is
    /// well.</param>
    /// <param name="describe">What was waited for and what there is instead, for the failure's message.</param>
    /// <exception cref="TimeoutException">The condition did not hold in time.</exception>
    public static async Task BecomesTrueAsync(Func<Task<bool>> condition, TimeSpan? timeout = null, Func<string>? describe = null)
    {
        var clock = Stopwatch.StartNew();
        var limit = timeout ?? Patience;
        for (var pause = 5; ; pause = Math.Min(pause * 2, 200))
        {
            Exception? error = null;
            try
            {
                if (await condition()) return;
            }
            catch (Exception e)
            {
                error = e;
            }

            if (clock.Elapsed > limit)
                throw new TimeoutException($"Not within {limit.TotalSeconds:0} s: {describe?.Invoke() ?? "the condition"}", error);
            await Task.Delay(pause);
        }
    }

    /// <inheritdoc cref="BecomesTrueAsync(Func{Task{bool}}, TimeSpan?, Func{string}?)"/>
    public static Task BecomesTrueAsync(Func<bool> condition, TimeSpan? timeout = null, Func<string>? describe = null) =>
        BecomesTrueAsync(() => Task.FromResult(condition()), timeout, describe);
}
