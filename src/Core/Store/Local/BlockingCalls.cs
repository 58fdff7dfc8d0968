namespace OrleansCache.Core.Store.Local;

/// <summary>
/// A few threads for calls that block on the disk (fsync). On the thread pool they would starve all other work. Many calls at once make
/// fsync cheap, as the file system commits them together. The threads live as long as the process; an idle one costs its stack.
/// </summary>
internal static class BlockingCalls
{
    private const int Threads = 16;

    // A monitor, not a BlockingCollection: idle threads of that one spin, which costs more than short calls do.
    private static readonly Queue<(Action Call, TaskCompletionSource Done)> Queue = Start();

    public static Task RunAsync(Action call)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (Queue)
        {
            Queue.Enqueue((call, done));
            Monitor.Pulse(Queue);
        }

        return done.Task;
    }

    private static Queue<(Action, TaskCompletionSource)> Start()
    {
        var queue = new Queue<(Action Call, TaskCompletionSource Done)>();
        for (var i = 0; i < Threads; i++)
        {
            var thread = new Thread(() =>
            {
                while (true)
                {
                    var (call, done) = Take(queue);
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

    private static (Action, TaskCompletionSource) Take(Queue<(Action, TaskCompletionSource)> queue)
    {
        lock (queue)
        {
            while (queue.Count == 0)
                Monitor.Wait(queue);
            return queue.Dequeue();
        }
    }
}
