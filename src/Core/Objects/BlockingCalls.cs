using System.Collections.Concurrent;

namespace OrleansCache.Core.Objects;

/// <summary>
/// A few threads for calls that wait for the disk (fsync). On the thread pool they would starve everything else, and many at once are what makes fsync cheap:
/// the file system commits them together. The threads live as long as the process; idle ones cost their stacks.
/// </summary>
internal static class BlockingCalls
{
    private const int Threads = 16;

    private static readonly BlockingCollection<(Action Call, TaskCompletionSource Done)> Queue = Start();

    public static Task RunAsync(Action call)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Queue.Add((call, done));
        return done.Task;
    }

    private static BlockingCollection<(Action, TaskCompletionSource)> Start()
    {
        var queue = new BlockingCollection<(Action Call, TaskCompletionSource Done)>();
        for (var i = 0; i < Threads; i++)
        {
            var thread = new Thread(() =>
            {
                foreach (var (call, done) in queue.GetConsumingEnumerable())
                {
                    try
                    {
                        call();
                        done.SetResult();
                    }
                    catch (Exception e)
                    {
                        done.SetException(e);
                    }
                }
            })
            { IsBackground = true, Name = "object store fsync" };
            thread.Start();
        }

        return queue;
    }
}
