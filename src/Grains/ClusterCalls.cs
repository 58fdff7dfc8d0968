using OrleansCache.Contracts;

namespace OrleansCache.Grains;

/// <summary>Calls of grains by a gateway that can do the same without them.</summary>
internal sealed class ClusterCalls(TimeProvider time)
{
    /// <summary>After this time a grain does not begin a call, as the gateway has done the same by then.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    // A read is as right without the grain, so a silo that does not answer holds it up only so long.
    private static readonly TimeSpan ReadPatience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Null until the silo has started.</summary>
    public IGrainFactory? Grains { get; set; }

    public DateTimeOffset DeadlineNow => time.GetUtcNow() + Deadline;

    /// <summary>
    /// Asks a grain, and once more when the outcome is unknown; then runs <paramref name="otherwise"/>, which does the same operation.
    /// </summary>
    public async Task<T> AskAsync<T>(Func<IGrainFactory, Task<T>> ask, Func<Task<T>> otherwise, CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= 2 && Grains is { } grains; attempt++)
        {
            try
            {
                return await ask(grains).WaitAsync(Deadline, time, cancellationToken);
            }
            catch (Exception e) when (IsUnknown(e))
            {
                await Task.Delay(Pause, time, cancellationToken);
            }
        }

        return await otherwise();
    }

    /// <summary>
    /// Asks a grain for what it may know already, once; then runs <paramref name="otherwise"/>, which reads the same from the catalog.
    /// </summary>
    /// <param name="patience">Left out: as a short reading needs.</param>
    public async Task<T> ReadAsync<T>(Func<IGrainFactory, Task<T>> ask, Func<Task<T>> otherwise, CancellationToken cancellationToken,
        TimeSpan? patience = null)
    {
        try
        {
            if (Grains is { } grains)
                return await ask(grains).WaitAsync(patience ?? ReadPatience, time, cancellationToken);
        }
        catch (Exception e) when (IsUnknown(e) || e is CacheProblemException { IsOutage: true })
        {
            // The silo is away or slow, or does not reach the database, which this process may.
        }

        return await otherwise();
    }

    /// <summary>Sends a grain news that it can do without.</summary>
    public void Tell(Func<IGrainFactory, Task> tell)
    {
        try
        {
            if (Grains is { } grains)
                tell(grains).Ignore();
        }
        catch (Exception e) when (IsUnknown(e))
        {
            // The silo is stopping. Whoever waits for this news asks the catalog.
        }
    }

    // The silo died, left or does not answer: the call may have been done, or may still be.
    public static bool IsUnknown(Exception e) =>
        e is OrleansException or TimeoutException or ObjectDisposedException or Orleans.Runtime.Messaging.ConnectionFailedException
            // An exception of a silo of another build, whose type this process cannot read.
            or Orleans.Serialization.SerializerException;
}
