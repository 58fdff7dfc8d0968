using System.Net;
using Amazon.Runtime;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Runs calls of the SDK under the shared limit, repeats them while that may help, and reports a failure in one exception.
/// </summary>
/// <param name="limit">Of all calls together.</param>
/// <param name="clock">Of the pauses.</param>
/// <param name="writeRefused">Called for each write that the store refuses for good.</param>
internal sealed class S3Calls(AdaptiveLimit limit, TimeProvider clock, Action<StoreAnswer> writeRefused)
{
    private const int Attempts = 8;

    /// <summary>Runs a call that may be sent again.</summary>
    /// <param name="operation">Of <see cref="StoreCall"/>.</param>
    /// <param name="what">For the message: the operation and the key.</param>
    /// <param name="call">The call.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="understands">Selects the answers about the object (<see cref="StoreStep.Understand"/>) that the caller handles; null:
    /// none.</param>
    /// <exception cref="AmazonServiceException">One of those.</exception>
    /// <exception cref="ObjectStoreException">All else.</exception>
    public async Task<T> RunAsync<T>(string operation, string what, Func<Task<T>> call, CancellationToken cancellationToken,
        Func<AmazonServiceException, bool>? understands = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            await limit.AcquireAsync(cancellationToken);
            var throttled = false;
            var observed = StoreCall.Begin(operation, what);
            var outcome = StoreCall.Failed;
            try
            {
                var answer = await call();
                outcome = StoreCall.Ok;
                return answer;
            }
            catch (ObjectStoreException) when (attempt == Attempts)
            {
                throw;
            }
            catch (ObjectStoreException e) when (e.IsTransient && !cancellationToken.IsCancellationRequested)
            {
                // No keys to sign with were there; the next attempt may have some.
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && AnswerIn(e) is { } answer)
            {
                answer.Count();
                outcome = answer.Outcome;
                throttled = IsThrottling(e, answer);
                if (answer.Step == StoreStep.Understand && e is AmazonServiceException about && understands?.Invoke(about) == true)
                    throw;
                var told = answer.AsRefusal();
                if (told.IsRefusal && operation is (StoreCall.Put or StoreCall.Multipart))
                    writeRefused(told);
                if (told.IsRefusal || attempt == Attempts)
                    throw new ObjectStoreException(what, told, e);
            }
            finally
            {
                observed.End(cancellationToken.IsCancellationRequested ? null : outcome);
                limit.Release(throttled);
            }

            await Task.Delay(Backoff.Pause(attempt - 1), clock, cancellationToken);
        }
    }

    private static bool IsThrottling(Exception e, StoreAnswer answer) =>
        e is AmazonServiceException { StatusCode: HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable }
            || answer.Code == "SlowDown";

    /// <summary>Null: no exception of a call to a store.</summary>
    private static StoreAnswer? AnswerIn(Exception e) => e switch
    {
        ObjectStoreException => null,
        AmazonServiceException answer => StoreAnswer.Of(answer),
        HttpRequestException or IOException or TimeoutException or OperationCanceledException => StoreAnswer.None,
        AmazonClientException { InnerException: { } inner } when AnswerIn(inner) is { } answer => answer,
        AmazonClientException => StoreAnswer.Of(0, "unnamed", e.Message),
        _ => null,
    };
}
