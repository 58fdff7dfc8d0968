using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Core.Publish;

public sealed partial class SigningCommand
{
    /// <summary>One life of the program.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001",
        Justification = "A SemaphoreSlim without a wait handle has nothing to release.")]
    private sealed class Run(SigningCommand owner, Process process)
    {
        private readonly ConcurrentDictionary<long, TaskCompletionSource<string[]>> _asked = new();
        private readonly SemaphoreSlim _writing = new(1);
        private readonly Task _errors = owner.TellErrorsAsync(process);
        private Task _answers = Task.CompletedTask;
        private volatile bool _hasEnded;
        private long _last;
        private long _heard = owner._time.GetTimestamp();

        public bool HasEnded => _hasEnded;

        public void Listen() => _answers = Task.Run(ListenAsync);

        public async Task<string[]> AskAsync(string[] fingerprints, CancellationToken cancellationToken)
        {
            var id = Interlocked.Increment(ref _last);
            var answered = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
            _asked[id] = answered;
            try
            {
                await _writing.WaitAsync(cancellationToken);
                // Whoever gives up leaves the line whole, as the next one stands behind it.
                await UntilSilentAsync(WriteAsync(JsonSerializer.Serialize(new Question(id, fingerprints), SigningJson.Default.Question)),
                    cancellationToken);
                // It may have ended before the question was noted.
                if (_hasEnded)
                    throw Ended();
                await UntilSilentAsync(answered.Task, cancellationToken);
                var signatures = await answered.Task;
                return signatures.Length == fingerprints.Length ? signatures : throw new SigningException(string.Create(
                    CultureInfo.InvariantCulture, $"answered {signatures.Length} signatures for {fingerprints.Length} fingerprints"));
            }
            finally
            {
                _asked.TryRemove(id, out _);
            }
        }

        public void Kill()
        {
            _hasEnded = true;
            try
            {
                process.Kill(entireProcessTree: true);
            }
            catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
            {
                // It has ended meanwhile.
            }
        }

        /// <summary>Closes its input, on which it is to end.</summary>
        public async Task StopAsync(TimeSpan patience)
        {
            try
            {
                process.StandardInput.Close();
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                // It has ended, and left something unread; or it still reads, and is ended below.
            }

            await Task.WhenAny(process.WaitForExitAsync(), Task.Delay(patience));
            Kill();
            await Task.WhenAll(_answers, _errors);
            process.Dispose();
        }

        private async Task WriteAsync(string line)
        {
            try
            {
                await process.StandardInput.WriteLineAsync(line);
                await process.StandardInput.FlushAsync();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                throw Ended();
            }
            finally
            {
                _writing.Release();
            }
        }

        // A slow program is waited for as long as it answers somebody. One that hangs is ended, so that the next request meets another.
        private async Task UntilSilentAsync(Task task, CancellationToken cancellationToken)
        {
            while (true)
            {
                try
                {
                    await task.WaitAsync(Patience, owner._time, cancellationToken);
                    return;
                }
                catch (TimeoutException) when (!task.IsCompleted)
                {
                    if (owner._time.GetElapsedTime(Volatile.Read(ref _heard)) < Patience)
                        continue;
                    Kill();
                    throw new SigningException($"answered nothing for {Patience.TotalSeconds:0} s");
                }
            }
        }

        private async Task ListenAsync()
        {
            try
            {
                while (await process.StandardOutput.ReadLineAsync() is { } line)
                {
                    Volatile.Write(ref _heard, owner._time.GetTimestamp());
                    if (Read(line) is not { Id: { } id } answer)
                        LogSays(owner._logger, $"a line that is no answer: {Shown(line)}");
                    else if (_asked.TryGetValue(id, out var asked))
                        Settle(asked, answer);
                }
            }
            catch (IOException e)
            {
                LogSays(owner._logger, e.Message);
            }
            finally
            {
                Kill();
                foreach (var asked in _asked.Values)
                    asked.TrySetException(Ended());
            }
        }

        private static void Settle(TaskCompletionSource<string[]> asked, Answer answer)
        {
            if (answer.Signatures is { } signatures)
                asked.TrySetResult(signatures);
            else
                asked.TrySetException(new SigningException($"says {Shown(answer.Error ?? "neither signatures nor an error")}"));
        }

        private static SigningException Ended() => new("has ended, and is started again");
    }

    internal sealed record Question(long Id, string[] Fingerprints);

    internal sealed record Answer(string? PublicKey = null, long? Id = null, string[]? Signatures = null, string? Error = null);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(Question))]
    [JsonSerializable(typeof(Answer))]
    private sealed partial class SigningJson : JsonSerializerContext;
}
