using System.Net;
using Amazon.Runtime;
using Amazon.S3;

namespace OrleansCache.Core.Objects;

/// <summary>Runs calls of the SDK under the shared limit, again while that may help, and says in one exception what went wrong.</summary>
internal sealed class S3Calls(AdaptiveLimit limit)
{
    private const int Attempts = 8;

    /// <summary>Runs a call that may be sent again.</summary>
    /// <param name="operation">Of <see cref="StoreCall"/>.</param>
    /// <param name="what">For the message: the operation and the key.</param>
    /// <param name="call">The call.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="AmazonS3Exception">Not found (404), and other answers below 500 that are the caller's to understand: <see cref="IsAnswer"/>.</exception>
    /// <exception cref="ObjectStoreException">All else.</exception>
    public async Task<T> RunAsync<T>(string operation, string what, Func<Task<T>> call, CancellationToken cancel)
    {
        for (var attempt = 0; ; attempt++)
        {
            await limit.AcquireAsync(cancel);
            var throttled = false;
            var observed = StoreCall.Begin(operation, what);
            var outcome = StoreCall.Failed;
            try
            {
                var answer = await call();
                outcome = StoreCall.Ok;
                return answer;
            }
            catch (AmazonServiceException e) when (IsAnswer(e))
            {
                outcome = StoreCall.Refused;
                throw;
            }
            catch (Exception e) when (!cancel.IsCancellationRequested && IsTransient(e))
            {
                throttled = IsThrottling(e);
                outcome = StoreCall.OutcomeOf(e);
                if (attempt + 1 == Attempts)
                    throw e as ObjectStoreException ?? new ObjectStoreException($"{what}: the store did not answer as it should, {Attempts} times: {Words(e)}", isTransient: true, e);
            }
            catch (Exception e) when (e is AmazonServiceException or AmazonClientException && !cancel.IsCancellationRequested)
            {
                outcome = StoreCall.OutcomeOf(e);
                throw new ObjectStoreException($"{what}: the store refused: {Words(e)}", isTransient: false, e);
            }
            finally
            {
                observed.End(cancel.IsCancellationRequested ? null : outcome);
                limit.Release(throttled);
            }

            await Task.Delay(Backoff.Pause(attempt), cancel);
        }
    }

    /// <summary>Answers that say something about the object rather than about the request.</summary>
    public static bool IsAnswer(AmazonServiceException e) =>
        (e.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.RequestedRangeNotSatisfiable && e.ErrorCode != "NoSuchBucket")
        || e.ErrorCode is "NoSuchUpload" or "InvalidPart" or "InvalidPartOrder" or "EntityTooSmall";

    private static bool IsThrottling(Exception e) =>
        e is AmazonServiceException { StatusCode: HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable } or AmazonServiceException { ErrorCode: "SlowDown" };

    private static bool IsTransient(Exception e) => e switch
    {
        AmazonServiceException s when (int)s.StatusCode >= 500 || s.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or HttpStatusCode.Conflict => true,
        AmazonServiceException { ErrorCode: "SlowDown" or "RequestTimeout" or "OperationAborted" } => true,
        AmazonServiceException { StatusCode: not 0 } => false,
        AmazonServiceException or HttpRequestException or IOException or TimeoutException or OperationCanceledException => true, // Nothing came back, or not all of it.
        AmazonClientException { InnerException: { } inner } => IsTransient(inner),
        ObjectStoreException keys => keys.IsTransient,
        _ => false,
    };

    private static string Words(Exception e) => e is AmazonServiceException { ErrorCode.Length: > 0 } s ? $"{s.ErrorCode}: {s.Message}" : e.InnerException?.Message ?? e.Message;
}
