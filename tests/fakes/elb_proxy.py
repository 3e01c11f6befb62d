"""Elastic Load Balancing and the tagging API with faults and small pages: a proxy in front of moto.

    python3 elb_proxy.py --control '{"upstream": "http://127.0.0.1:5000", "page": 2}'

    POST /_create   {"balancer": name, "tags": {}, "groups": {name: {}}}: creates a load balancer with a listener that forwards to its
                    target groups, created if missing; returns `app/name/id` and the groups' `name/id`
    POST /_delete   {"balancer": name} or {"group": name}
    POST /_tag      {"balancer": name, "tags": {}}

Settings: `upstream`, the URL of moto; `page`, the maximum number of resources per page. Faults are those of every fake, by the action's name.
"""

import argparse
import http.client
import json
import re
from urllib.parse import parse_qs, urlsplit

import boto3

from fake_server import REGION, Handler, Fake, Refusal, add_options, listen

ERROR = """<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


class Proxy(Fake):
    settings = {"upstream": "", "page": 0}

    def moto(self, service):
        return boto3.client(service, endpoint_url=self.control["upstream"], region_name=REGION,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def post(self, path, body):
        act = {"/_create": self.create, "/_delete": self.delete, "/_tag": self.tag}.get(path)
        return act and act(**json.loads(body))

    def create(self, balancer, tags=None, groups=None):
        elb = self.moto("elbv2")
        subnets = self.moto("ec2").describe_subnets()["Subnets"][:2]
        made = elb.create_load_balancer(Name=balancer, Subnets=[subnet["SubnetId"] for subnet in subnets], Tags=pairs(tags))
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        held = {group["TargetGroupName"]: group["TargetGroupArn"] for group in elb.describe_target_groups()["TargetGroups"]}
        targets = []
        for name, of_group in (groups or {}).items():
            target = held.get(name) or elb.create_target_group(
                Name=name, Protocol="HTTP", Port=80, VpcId=subnets[0]["VpcId"], Tags=pairs(of_group)
            )["TargetGroups"][0]["TargetGroupArn"]
            targets.append(target)
        for port, target in enumerate(targets, 80):
            action = {"Type": "forward", "TargetGroupArn": target}
            elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=port, DefaultActions=[action])
        return {"balancer": arn.split(":loadbalancer/")[1], "groups": [target.split(":targetgroup/")[1] for target in targets]}

    def delete(self, balancer=None, group=None):
        elb = self.moto("elbv2")
        if group:
            elb.delete_target_group(TargetGroupArn=elb.describe_target_groups(Names=[group])["TargetGroups"][0]["TargetGroupArn"])
        else:
            elb.delete_load_balancer(LoadBalancerArn=elb.describe_load_balancers(Names=[balancer])["LoadBalancers"][0]["LoadBalancerArn"])
        return {}

    def tag(self, balancer, tags):
        elb = self.moto("elbv2")
        arn = elb.describe_load_balancers(Names=[balancer])["LoadBalancers"][0]["LoadBalancerArn"]
        elb.add_tags(ResourceArns=[arn], Tags=pairs(tags))
        return {}


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in (tags or {"made": "here"}).items()]


class ProxyHandler(Handler):
    def serve(self, raw, caller):
        target = self.headers.get("X-Amz-Target", "")
        action = target.split(".")[-1] or parse_qs(raw.decode())["Action"][0]
        try:
            self.fake.begin(action, caller, {})
        except Refusal as refusal:
            if target:
                answer = {"__type": refusal.code, "message": str(refusal)}
                return self.send(refusal.status, json.dumps(answer).encode(), "application/x-amz-json-1.1")
            text = ERROR.format(code=refusal.code, message=refusal)
            return self.send(refusal.status, text.encode(), "text/xml")
        page = self.fake.control["page"]
        if page:
            raw = re.sub(rb"(PageSize=|\"ResourcesPerPage\":)\d+", rb"\g<1>%d" % page, raw)
        upstream = http.client.HTTPConnection(urlsplit(self.fake.control["upstream"]).netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "content-length")}
        upstream.request("POST", self.path, raw, headers)
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        return self.send(answer.status, body, answer.getheader("Content-Type") or "text/xml")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    arguments = parser.parse_args()
    listen(Proxy(arguments.control), ProxyHandler, arguments.port)
